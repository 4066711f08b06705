"""Everything a person can be allowed to do. Roles, which are data, are sets of these."""

from django.db import models


class Permission(models.TextChoices):
    # at the lab
    PARTNER_ADMIT = "partner.admit", "Admit or decline organisations"
    REQUEST_DECIDE = "request.decide", "Decide access requests"
    GRANT_REVOKE = "grant.revoke", "Suspend and revoke grants"
    ACCESS_SUSPEND = "access.suspend", "Suspend organisations, sizes, or everything"
    RULE_SET = "rule.set", "Set review rules and pause intake"
    REQUEST_OVERSEE = "request.oversee", "Gets mail about requests past their promise"
    RELEASE_EDIT = "release.edit", "Add, edit and correct families and sizes"
    SIZE_OPEN = "size.open", "Open components of sizes"
    FLEET_SEE = "fleet.see", "See the workers, and gets mail when a size has none"
    WORKER_ENROLL = "worker.enroll", "Enrol workers and revoke their keys"
    SHARE_SET = "share.set", "Set the weight of an organisation at a size"
    FAILURE_RETRY = "failure.retry", "Have what keeps failing tried again at once"
    PERSON_DISABLE = "person.disable", "Disable people, enable them again, and remove factors that they lost"
    BOOK_READ = "book.read", "Read the book"
    SECURITY_READ = "security.read", "Read the security events"
    # in an organisation
    PARTNER_READ = "partner.read", "See the organisation"
    PARTNER_EDIT = "partner.edit", "Correct the application and close the organisation"
    MEMBER_INVITE = "member.invite", "Invite and remove members"
    AGREEMENT_SIGN = "agreement.sign", "Sign agreements"
    ACCESS_REQUEST = "access.request", "Request access to sizes"
    JOB_SUBMIT = "job.submit", "Submit and cancel generation jobs"
