"""Tools for whoever changes Strandline; none of it is part of what is installed."""
