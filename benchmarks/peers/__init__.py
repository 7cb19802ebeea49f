"""What Folkmoot is measured against. Each script runs as a process of its own, most in an environment of their own."""
