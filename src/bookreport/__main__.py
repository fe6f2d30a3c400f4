"""`python -m bookreport`."""

from bookreport.cli import main

main()
