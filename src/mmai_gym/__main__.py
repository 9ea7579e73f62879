"""`python -m mmai_gym` is `mmai-gym`, for launchers that start modules: `accelerate launch -m mmai_gym train RECIPE`."""

from mmai_gym.cli import main

if __name__ == "__main__":
    main()
