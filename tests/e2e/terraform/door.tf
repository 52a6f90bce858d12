variable "iap" {
  default = true
}
variable "guest" {
  default = "user:ann@example.com"
}
variable "options" {
  default = true
}

data "google_project" "here" {
}

resource "google_cloud_run_v2_service" "door" {
  name                = "door"
  location            = "us-central1"
  deletion_protection = false
  iap_enabled         = var.iap

  template {
    containers {
      image = "us-docker.pkg.dev/cloudrun/container/hello"
    }
  }
}

resource "google_cloud_run_service" "old" {
  name     = "old-door"
  location = "us-central1"

  metadata {
    annotations = var.iap ? { "run.googleapis.com/iap-enabled" = "true" } : {}
  }
  template {
    spec {
      containers {
        image = "us-docker.pkg.dev/cloudrun/container/hello"
      }
    }
  }
}

resource "google_cloud_run_v2_service_iam_member" "agent" {
  location = google_cloud_run_v2_service.door.location
  name     = google_cloud_run_v2_service.door.name
  role     = "roles/run.invoker"
  member   = "serviceAccount:service-${data.google_project.here.number}@gcp-sa-iap.iam.gserviceaccount.com"
}

resource "google_iap_web_cloud_run_service_iam_member" "guest" {
  location               = google_cloud_run_v2_service.door.location
  cloud_run_service_name = google_cloud_run_v2_service.door.name
  role                   = "roles/iap.httpsResourceAccessor"
  member                 = var.guest

  condition {
    title      = "apart"
    expression = "request.path.startsWith(\"/a\")"
  }
}

resource "google_iap_web_cloud_run_service_iam_binding" "guests" {
  location               = google_cloud_run_service.old.location
  cloud_run_service_name = google_cloud_run_service.old.name
  role                   = "roles/iap.httpsResourceAccessor"
  members                = [var.guest, "domain:example.com"]
}

data "google_iap_web_cloud_run_service_iam_policy" "read" {
  location               = google_cloud_run_service.old.location
  cloud_run_service_name = google_cloud_run_service.old.name
  depends_on             = [google_iap_web_cloud_run_service_iam_binding.guests]
}

resource "google_iap_web_iam_member" "everywhere" {
  role   = "roles/iap.httpsResourceAccessor"
  member = "group:staff@example.com"
}

resource "google_iap_settings" "door" {
  name = "projects/demo/iap_web/cloud_run-us-central1/services/${google_cloud_run_v2_service.door.name}"
  access_settings {
    # The provider leaves `false` out, block and all: without the block it is the same.
    dynamic "cors_settings" {
      for_each = var.options ? [1] : []
      content {
        allow_http_options = true
      }
    }
    reauth_settings {
      method      = "LOGIN"
      max_age     = "3600s"
      policy_type = "MINIMUM"
    }
    allowed_domains_settings {
      domains = ["example.com"]
      enable  = true
    }
    oauth_settings {
      programmatic_clients = ["tool"]
    }
  }
  application_settings {
    access_denied_page_settings {
      access_denied_page_uri = "https://help.example.com/no"
    }
  }
}

output "read" {
  value = data.google_iap_web_cloud_run_service_iam_policy.read.policy_data
}
