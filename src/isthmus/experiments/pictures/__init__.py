"""Pictures of what the laboratories found: records drawn into an Axes, or a whole Figure of them."""
