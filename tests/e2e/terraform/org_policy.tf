# No service of the project may turn its check off.
resource "google_org_policy_policy" "check_on" {
  name   = "projects/demo/policies/run.managed.requireInvokerIam"
  parent = "projects/demo"

  spec {
    rules {
      enforce = "TRUE"
    }
  }
}
