"""What an evaluation is asked, and the files in which it is asked."""
