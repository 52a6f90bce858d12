# Most of what a service can say at once: every block must come back as it was sent.
resource "google_service_account" "runtime" {
  account_id   = "runtime"
  display_name = "What the service runs as"
}

resource "google_cloud_run_v2_service" "many" {
  name                 = "many-settings"
  location             = "us-central1"
  deletion_protection  = false
  description          = "Many settings"
  ingress              = "INGRESS_TRAFFIC_INTERNAL_ONLY"
  default_uri_disabled = false
  custom_audiences     = ["https://one.example", "two"]
  labels               = { team = "a" }
  annotations          = { "example.com/owner" = "b" }

  scaling {
    min_instance_count = 1
  }

  template {
    labels                           = { tier = "front" }
    timeout                          = "60s"
    service_account                  = google_service_account.runtime.email
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    max_instance_request_concurrency = 7
    session_affinity                 = true

    scaling {
      min_instance_count = 0
      max_instance_count = 3
    }

    containers {
      name  = "front"
      image = "us-docker.pkg.dev/cloudrun/container/hello"
      args  = []

      ports {
        container_port = 8080
      }

      env {
        name  = "GREETING"
        value = "hello"
      }

      env {
        name  = "EMPTY"
        value = ""
      }

      resources {
        limits = {
          cpu    = "2"
          memory = "1Gi"
        }
        cpu_idle          = true
        startup_cpu_boost = true
      }

      startup_probe {
        timeout_seconds   = 2
        period_seconds    = 3
        failure_threshold = 5
        tcp_socket {
          port = 8080
        }
      }

      liveness_probe {
        http_get {
          path = "/"
        }
      }

      volume_mounts {
        name       = "scratch"
        mount_path = "/scratch"
      }
    }

    volumes {
      name = "scratch"
      empty_dir {
        medium     = "MEMORY"
        size_limit = "16Mi"
      }
    }
  }

  traffic {
    type    = "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
    percent = 100
    tag     = "newest"
  }
}

resource "google_cloud_run_v2_service_iam_member" "until" {
  location = google_cloud_run_v2_service.many.location
  name     = google_cloud_run_v2_service.many.name
  role     = "roles/run.invoker"
  member   = google_service_account.runtime.member

  condition {
    title      = "for a while"
    expression = "request.time < timestamp(\"2100-01-01T00:00:00Z\")"
  }
}
