# Each shape of a policy's rules. No service of the project may turn its check off.
variable "enforce" {
  type    = string
  default = "TRUE"
}

resource "google_org_policy_policy" "check_on" {
  name   = "projects/demo/policies/run.managed.requireInvokerIam"
  parent = "projects/demo"

  spec {
    rules {
      enforce = var.enforce
    }
  }

  dry_run_spec {
    rules {
      enforce = "FALSE"
    }
  }
}

resource "google_org_policy_policy" "ingress" {
  name   = "projects/demo/policies/run.allowedIngress"
  parent = "projects/demo"

  spec {
    inherit_from_parent = true

    rules {
      values {
        allowed_values = ["all", "internal"]
      }
    }
  }
}

resource "google_org_policy_policy" "egress" {
  name   = "projects/demo/policies/run.allowedVPCEgress"
  parent = "projects/demo"

  spec {
    rules {
      allow_all = "TRUE"
    }
  }
}

resource "google_org_policy_policy" "members" {
  name   = "projects/demo/policies/iam.managed.allowedPolicyMembers"
  parent = "projects/demo"

  dry_run_spec {
    rules {
      enforce    = "TRUE"
      parameters = jsonencode({ allowedMemberSubjects = ["user:a@example.com"] })
    }
  }
}

resource "google_org_policy_policy" "keys" {
  name   = "projects/demo/policies/iam.disableServiceAccountKeyUpload"
  parent = "projects/demo"

  spec {
    reset = true
  }
}
