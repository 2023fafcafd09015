"""What happens next: journeys, their steps, and who enters."""
