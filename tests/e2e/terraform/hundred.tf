# What `make bench` measures: a hundred services in one apply.
resource "google_cloud_run_v2_service" "many" {
  count               = 100
  name                = "many-${count.index}"
  location            = "us-central1"
  deletion_protection = false

  template {
    containers {
      image = "us-docker.pkg.dev/cloudrun/container/hello"
    }
  }
}
