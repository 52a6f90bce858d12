# The older resource, which speaks v1, with its own IAM resources.
variable "check_off" {
  type    = bool
  default = true
}

resource "google_cloud_run_service" "old" {
  name     = "old-service"
  location = "us-central1"

  metadata {
    annotations = var.check_off ? { "run.googleapis.com/invoker-iam-disabled" = "true" } : {}
  }

  template {
    metadata {
      annotations = { "autoscaling.knative.dev/maxScale" = "3" }
    }

    spec {
      containers {
        image = "us-docker.pkg.dev/cloudrun/container/hello"
      }
    }
  }

  traffic {
    percent         = 100
    latest_revision = true
  }
}

resource "google_cloud_run_service_iam_member" "old" {
  location = google_cloud_run_service.old.location
  service  = google_cloud_run_service.old.name
  role     = "roles/run.invoker"
  member   = "allAuthenticatedUsers"
}
