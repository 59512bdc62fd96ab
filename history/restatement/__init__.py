"""Computing versions anew: from the stored events, or from a history that another tool kept."""
