"""What AWS answers, whichever of its services and whichever client: not what is asked of it."""
