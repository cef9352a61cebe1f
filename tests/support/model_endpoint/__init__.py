"""A simulated model: an OpenAI-compatible HTTP server in a process of its own.

It answers as a function of what it is asked, keeps count of it, and has the faults, limits and
latency that it is told to have. Tests start it with `running_endpoint`; by hand it is
`python -m tests.support.model_endpoint --port 8000 --behaviour '{"places": 50, "seconds": 0.5}'`.
"""

from tests.support.model_endpoint.behaviour import Behaviour
from tests.support.model_endpoint.running import ModelEndpoint, running_endpoint
from tests.support.model_endpoint.stats import Stats, StepStats

__all__ = ["Behaviour", "ModelEndpoint", "Stats", "StepStats", "running_endpoint"]
