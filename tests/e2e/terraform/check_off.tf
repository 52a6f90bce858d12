# A service that everyone may call: with the Invoker IAM check off.
variable "check_off" {
  type    = bool
  default = true
}

resource "google_cloud_run_v2_service" "public" {
  name                 = "public-service"
  location             = "us-central1"
  deletion_protection  = false
  invoker_iam_disabled = var.check_off

  template {
    containers {
      image = "us-docker.pkg.dev/cloudrun/container/hello"
    }
  }
}
