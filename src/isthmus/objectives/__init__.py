"""What training minimises: losses, noise, and the objectives that are made of them."""
