"""``python -m reference_ws``: the same as the command ``reference-ws``."""

from reference_ws_command import main

if __name__ == "__main__":
    main()
