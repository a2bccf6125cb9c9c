"""All causes, by topic. The order of a report is by score, and not by this one."""

from reference.doctor import rules_groups, rules_kl, rules_proxy, rules_ratio, rules_steps, rules_supervised, rules_tools
from reference.doctor.cause import Cause

CAUSES: tuple[Cause, ...] = (
    *rules_ratio.CAUSES,
    *rules_groups.CAUSES,
    *rules_kl.CAUSES,
    *rules_steps.CAUSES,
    *rules_proxy.CAUSES,
    *rules_tools.CAUSES,
    *rules_supervised.CAUSES,
)
