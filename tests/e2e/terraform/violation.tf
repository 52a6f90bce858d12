# A service that breaks a policy of the same apply: refused at once, with the constraint's name.
resource "google_org_policy_policy" "check_on" {
  name   = "projects/demo/policies/run.managed.requireInvokerIam"
  parent = "projects/demo"

  spec {
    rules {
      enforce = "TRUE"
    }
  }
}

resource "google_cloud_run_v2_service" "open" {
  name                 = "violates"
  location             = "us-central1"
  deletion_protection  = false
  invoker_iam_disabled = true

  template {
    containers {
      image = "us-docker.pkg.dev/cloudrun/container/hello"
    }
  }

  depends_on = [google_org_policy_policy.check_on]
}
