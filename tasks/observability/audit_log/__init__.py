"""The audit log as it is written: entries, the chain of hashes, and what tables' batches say.

Verifying and exporting are in `tasks.auditing`.
"""

from __future__ import annotations

from tasks.observability.audit_log.append_audit_records import AUDIT_LOG, record_audit
from tasks.observability.audit_log.audit_entry import AuditAction, AuditEntry, current_actor

__all__ = ["AUDIT_LOG", "AuditAction", "AuditEntry", "current_actor", "record_audit"]
