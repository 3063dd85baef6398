"""What is done to raw texts before they are tokenised."""
