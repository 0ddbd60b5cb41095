"""What methods may ask for, computed: the words of their signatures."""
