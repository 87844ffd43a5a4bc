"""What a person does to a checkpoint: plan first, then do."""
