# Each kind of IAM resource, of both services, of the project and of an account.
locals {
  later = "request.time < timestamp(\"2100-01-01T00:00:00Z\")"
}

resource "google_service_account" "caller" {
  account_id = "iam-caller"
}

resource "google_cloud_run_v2_service" "each" {
  for_each            = toset(["members", "bindings", "policy"])
  name                = "iam-${each.key}"
  location            = "us-central1"
  deletion_protection = false

  template {
    containers {
      image = "us-docker.pkg.dev/cloudrun/container/hello"
    }
  }
}

resource "google_cloud_run_service" "old" {
  name     = "iam-old"
  location = "us-central1"

  template {
    spec {
      containers {
        image = "us-docker.pkg.dev/cloudrun/container/hello"
      }
    }
  }
}

# One member each: together they are one binding, but for the one with a condition.
resource "google_cloud_run_v2_service_iam_member" "new" {
  location = "us-central1"
  name     = google_cloud_run_v2_service.each["members"].name
  role     = "roles/run.invoker"
  member   = google_service_account.caller.member
}

resource "google_cloud_run_service_iam_member" "old" {
  location = "us-central1"
  service  = google_cloud_run_v2_service.each["members"].name
  role     = "roles/run.invoker"
  member   = "allAuthenticatedUsers"
}

resource "google_cloud_run_v2_service_iam_member" "until" {
  location = "us-central1"
  name     = google_cloud_run_v2_service.each["members"].name
  role     = "roles/run.invoker"
  member   = "allUsers"

  condition {
    title       = "for-a-while"
    description = "Until the end of the century"
    expression  = local.later
  }
}

# One binding per role and condition; none takes from another.
resource "google_cloud_run_v2_service_iam_binding" "new" {
  location = "us-central1"
  name     = google_cloud_run_v2_service.each["bindings"].name
  role     = "roles/run.invoker"
  members  = ["allUsers", google_service_account.caller.member]
}

resource "google_cloud_run_service_iam_binding" "old" {
  location = "us-central1"
  service  = google_cloud_run_v2_service.each["bindings"].name
  role     = "roles/run.viewer"
  members  = ["user:Ann@Example.com", "group:staff@example.com"]
}

resource "google_cloud_run_v2_service_iam_binding" "until" {
  location = "us-central1"
  name     = google_cloud_run_v2_service.each["bindings"].name
  role     = "roles/run.viewer"
  members  = ["user:bob@example.com"]

  condition {
    title      = "for-a-while"
    expression = local.later
  }
}

# All of a policy.
data "google_iam_policy" "open" {
  binding {
    role    = "roles/run.invoker"
    members = ["allUsers"]
  }

  binding {
    role    = "roles/run.viewer"
    members = [google_service_account.caller.member]

    condition {
      title      = "for-a-while"
      expression = local.later
    }
  }
}

resource "google_cloud_run_v2_service_iam_policy" "new" {
  location    = "us-central1"
  name        = google_cloud_run_v2_service.each["policy"].name
  policy_data = data.google_iam_policy.open.policy_data
}

resource "google_cloud_run_service_iam_policy" "old" {
  location    = "us-central1"
  service     = google_cloud_run_service.old.name
  policy_data = data.google_iam_policy.open.policy_data
}

data "google_cloud_run_service" "old" {
  name     = google_cloud_run_service.old.name
  location = "us-central1"
}

data "google_cloud_run_service_iam_policy" "old" {
  location = "us-central1"
  service  = google_cloud_run_service.old.name

  depends_on = [google_cloud_run_service_iam_policy.old]
}

# The project and the account. google_project_iam_policy is left out: its destroy takes every role
# from everybody, the owner's as well.
resource "google_project_iam_member" "until" {
  project = "demo"
  role    = "roles/run.invoker"
  member  = google_service_account.caller.member

  condition {
    title      = "for-a-while"
    expression = local.later
  }
}

resource "google_project_iam_binding" "viewers" {
  project = "demo"
  role    = "roles/run.viewer"
  members = ["group:staff@example.com"]
}

resource "google_project_iam_audit_config" "run" {
  project = "demo"
  service = "run.googleapis.com"

  audit_log_config {
    log_type         = "DATA_READ"
    exempted_members = ["user:ann@example.com"]
  }
}

resource "google_service_account_iam_member" "borrows" {
  service_account_id = google_service_account.caller.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = "user:ann@example.com"
}

resource "google_service_account_iam_binding" "users" {
  service_account_id = google_service_account.caller.name
  role               = "roles/iam.workloadIdentityUser"
  members            = ["group:staff@example.com"]
}
