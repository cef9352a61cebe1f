"""How many examples a property on a real server gets: few in `make test`, many in `make soak`."""

from hypothesis import HealthCheck, settings


def on_a_server(*, test: int, soak: int) -> settings:
    """The database is the test's, emptied by each example."""
    profile = settings.get_current_profile_name()
    return settings(
        max_examples=soak if profile == "soak" else test,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
