"""`python -m mmai_gym.cli` is `mmai-gym`."""

from mmai_gym.cli import main

if __name__ == "__main__":
    main()
