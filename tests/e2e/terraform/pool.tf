# A pool of workload identities, its provider, and the account that its jobs act as.
variable "owner" {
  type    = string
  default = "corp"
}

resource "google_iam_workload_identity_pool" "builds" {
  workload_identity_pool_id = "tf-builds"
  display_name              = "Builds"
  description               = "Jobs of the build server"
}

resource "google_iam_workload_identity_pool_provider" "jobs" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.builds.workload_identity_pool_id
  workload_identity_pool_provider_id = "ci-jobs"
  attribute_condition                = "assertion.repository_owner == '${var.owner}'"
  attribute_mapping = {
    "google.subject"       = "'ci::' + assertion.sub"
    "attribute.repository" = "assertion.repository"
  }
  oidc {
    issuer_uri        = "https://idp.example"
    allowed_audiences = ["https://idp.example/corp"]
  }
}

resource "google_service_account" "deployer" {
  account_id = "pool-deployer"
}

resource "google_service_account_iam_member" "jobs" {
  service_account_id = google_service_account.deployer.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.builds.name}/attribute.repository/corp/site"
}
