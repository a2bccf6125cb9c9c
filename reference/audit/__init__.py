"""Audit: what is wrong in one training batch, of this course or of another framework.

    from reference.audit import audit
    print(audit({"input_ids": ..., "attention_mask": ..., "labels": ...}))

``batch`` is the layout that everything is read into, ``names`` knows the frameworks' names, ``files`` reads them from a file,
``checks_*`` are the checks, ``auditing`` makes them all, ``report`` and ``view`` show what they found.
"""

from reference.audit.auditing import Audit, audit
from reference.audit.batch import Batch
from reference.audit.finding import Finding
from reference.audit.ours import batch_tensors

__all__ = ["Audit", "Batch", "Finding", "audit", "batch_tensors"]
