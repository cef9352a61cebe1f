"""What Temporal says of an activity's priority and fairness holds for its calls of models too.

Its queues order what waits for a worker; hundreds of activities are at work in one, and their calls
wait once more, for the places of an endpoint (graphmill/turns/line.py).
"""

from typing import Any

from temporalio import activity
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
)

from graphmill.turns.turn import Turn, taking_turns


class TurnInterceptor(Interceptor):
    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:
        return _Inbound(next)


class _Inbound(ActivityInboundInterceptor):
    async def execute_activity(self, input: ExecuteActivityInput) -> Any:
        priority, none = activity.info().priority, Turn()
        turn = Turn(
            priority.priority_key or none.level,
            priority.fairness_key or none.key,
            priority.fairness_weight or none.weight,
        )
        with taking_turns(turn):
            return await super().execute_activity(input)
