"""Entry point of the `graphmill` command and of `python -m graphmill.cli`."""

from graphmill.cli.app import app


def main() -> None:
    app(prog_name="graphmill")


if __name__ == "__main__":
    main()
