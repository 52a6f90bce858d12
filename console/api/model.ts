// Made by types.mjs from src/grpc/schema.txt: `npm run types --prefix console` makes it anew.

export interface AuditConfig {
  service?: string;
  auditLogConfigs?: AuditLogConfig[];
}

export interface AuditLogConfig {
  logType?: AuditLogConfigLogType;
  exemptedMembers?: string[];
}

export type AuditLogConfigLogType =
  | "LOG_TYPE_UNSPECIFIED"
  | "ADMIN_READ"
  | "DATA_WRITE"
  | "DATA_READ";

export interface BinaryAuthorization {
  useDefault?: boolean;
  breakglassJustification?: string;
  policy?: string;
}

export interface Binding {
  role?: string;
  members?: string[];
  condition?: Expr;
}

export interface BuildConfig {
  name?: string;
  sourceLocation?: string;
  functionTarget?: string;
  imageUri?: string;
  baseImage?: string;
  enableAutomaticUpdates?: boolean;
  workerPool?: string;
  environmentVariables?: Record<string, string>;
  serviceAccount?: string;
}

export interface BuildInfo {
  functionTarget?: string;
  sourceLocation?: string;
}

export interface CloudSqlInstance {
  instances?: string[];
}

export interface Condition {
  type?: string;
  state?: ConditionState;
  message?: string;
  lastTransitionTime?: string;
  severity?: ConditionSeverity;
  reason?: ConditionCommonReason;
  revisionReason?: ConditionRevisionReason;
  executionReason?: ConditionExecutionReason;
}

export type ConditionCommonReason =
  | "COMMON_REASON_UNDEFINED"
  | "UNKNOWN"
  | "REVISION_FAILED"
  | "PROGRESS_DEADLINE_EXCEEDED"
  | "CONTAINER_MISSING"
  | "CONTAINER_PERMISSION_DENIED"
  | "CONTAINER_IMAGE_UNAUTHORIZED"
  | "CONTAINER_IMAGE_AUTHORIZATION_CHECK_FAILED"
  | "ENCRYPTION_KEY_PERMISSION_DENIED"
  | "ENCRYPTION_KEY_CHECK_FAILED"
  | "SECRETS_ACCESS_CHECK_FAILED"
  | "WAITING_FOR_OPERATION"
  | "IMMEDIATE_RETRY"
  | "POSTPONED_RETRY"
  | "INTERNAL"
  | "VPC_NETWORK_NOT_FOUND";

export type ConditionExecutionReason =
  | "EXECUTION_REASON_UNDEFINED"
  | "JOB_STATUS_SERVICE_POLLING_ERROR"
  | "NON_ZERO_EXIT_CODE"
  | "CANCELLED"
  | "CANCELLING"
  | "DELETED"
  | "DELAYED_START_PENDING";

export type ConditionRevisionReason =
  | "REVISION_REASON_UNDEFINED"
  | "PENDING"
  | "RESERVE"
  | "RETIRED"
  | "RETIRING"
  | "RECREATING"
  | "HEALTH_CHECK_CONTAINER_ERROR"
  | "CUSTOMIZED_PATH_RESPONSE_PENDING"
  | "MIN_INSTANCES_NOT_PROVISIONED"
  | "ACTIVE_REVISION_LIMIT_REACHED"
  | "NO_DEPLOYMENT"
  | "HEALTH_CHECK_SKIPPED"
  | "MIN_INSTANCES_WARMING";

export type ConditionSeverity =
  | "SEVERITY_UNSPECIFIED"
  | "ERROR"
  | "WARNING"
  | "INFO";

export type ConditionState =
  | "STATE_UNSPECIFIED"
  | "CONDITION_PENDING"
  | "CONDITION_RECONCILING"
  | "CONDITION_FAILED"
  | "CONDITION_SUCCEEDED";

export interface Container {
  name?: string;
  image?: string;
  command?: string[];
  args?: string[];
  env?: EnvVar[];
  resources?: ResourceRequirements;
  ports?: ContainerPort[];
  volumeMounts?: VolumeMount[];
  workingDir?: string;
  livenessProbe?: Probe;
  startupProbe?: Probe;
  dependsOn?: string[];
  baseImageUri?: string;
  readinessProbe?: Probe;
  buildInfo?: BuildInfo;
  sourceCode?: SourceCode;
}

export interface ContainerPort {
  name?: string;
  containerPort?: number;
}

export interface EmptyDirVolumeSource {
  medium?: EmptyDirVolumeSourceMedium;
  sizeLimit?: string;
}

export type EmptyDirVolumeSourceMedium =
  | "MEDIUM_UNSPECIFIED"
  | "MEMORY";

export type EncryptionKeyRevocationAction =
  | "ENCRYPTION_KEY_REVOCATION_ACTION_UNSPECIFIED"
  | "PREVENT_NEW"
  | "SHUTDOWN";

export interface EnvVar {
  name?: string;
  value?: string;
  valueSource?: EnvVarSource;
}

export interface EnvVarSource {
  secretKeyRef?: SecretKeySelector;
}

export type ExecutionEnvironment =
  | "EXECUTION_ENVIRONMENT_UNSPECIFIED"
  | "EXECUTION_ENVIRONMENT_GEN1"
  | "EXECUTION_ENVIRONMENT_GEN2";

export interface Expr {
  expression?: string;
  title?: string;
  description?: string;
  location?: string;
}

export interface GCSVolumeSource {
  bucket?: string;
  readOnly?: boolean;
  mountOptions?: string[];
}

export interface GRPCAction {
  port?: number;
  service?: string;
}

export interface HTTPGetAction {
  path?: string;
  httpHeaders?: HTTPHeader[];
  port?: number;
}

export interface HTTPHeader {
  name?: string;
  value?: string;
}

export type IngressTraffic =
  | "INGRESS_TRAFFIC_UNSPECIFIED"
  | "INGRESS_TRAFFIC_ALL"
  | "INGRESS_TRAFFIC_INTERNAL_ONLY"
  | "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
  | "INGRESS_TRAFFIC_NONE";

export interface NFSVolumeSource {
  server?: string;
  path?: string;
  readOnly?: boolean;
}

export interface NodeSelector {
  accelerator?: string;
}

export interface Operation {
  name?: string;
  metadata?: { "@type": string; [more: string]: unknown };
  done?: boolean;
  error?: Status;
  response?: { "@type": string; [more: string]: unknown };
}

export interface Policy {
  version?: number;
  etag?: string;
  bindings?: Binding[];
  auditConfigs?: AuditConfig[];
}

export interface Probe {
  initialDelaySeconds?: number;
  timeoutSeconds?: number;
  periodSeconds?: number;
  failureThreshold?: number;
  httpGet?: HTTPGetAction;
  tcpSocket?: TCPSocketAction;
  grpc?: GRPCAction;
}

export interface ResourceRequirements {
  limits?: Record<string, string>;
  cpuIdle?: boolean;
  startupCpuBoost?: boolean;
}

export interface Revision {
  name?: string;
  uid?: string;
  generation?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  createTime?: string;
  updateTime?: string;
  deleteTime?: string;
  expireTime?: string;
  launchStage?: googleapiLaunchStage;
  service?: string;
  scaling?: RevisionScaling;
  vpcAccess?: VpcAccess;
  timeout?: string;
  serviceAccount?: string;
  containers?: Container[];
  volumes?: Volume[];
  executionEnvironment?: ExecutionEnvironment;
  encryptionKey?: string;
  serviceMesh?: ServiceMesh;
  encryptionKeyRevocationAction?: EncryptionKeyRevocationAction;
  encryptionKeyShutdownDuration?: string;
  reconciling?: boolean;
  conditions?: Condition[];
  observedGeneration?: string;
  logUri?: string;
  maxInstanceRequestConcurrency?: number;
  satisfiesPzs?: boolean;
  sessionAffinity?: boolean;
  scalingStatus?: RevisionScalingStatus;
  nodeSelector?: NodeSelector;
  gpuZonalRedundancyDisabled?: boolean;
  creator?: string;
  etag?: string;
}

export interface RevisionScaling {
  minInstanceCount?: number;
  maxInstanceCount?: number;
}

export interface RevisionScalingStatus {
  desiredMinInstanceCount?: number;
}

export interface RevisionTemplate {
  revision?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  scaling?: RevisionScaling;
  vpcAccess?: VpcAccess;
  timeout?: string;
  serviceAccount?: string;
  containers?: Container[];
  volumes?: Volume[];
  executionEnvironment?: ExecutionEnvironment;
  encryptionKey?: string;
  maxInstanceRequestConcurrency?: number;
  serviceMesh?: ServiceMesh;
  encryptionKeyRevocationAction?: EncryptionKeyRevocationAction;
  encryptionKeyShutdownDuration?: string;
  sessionAffinity?: boolean;
  healthCheckDisabled?: boolean;
  nodeSelector?: NodeSelector;
  gpuZonalRedundancyDisabled?: boolean;
}

export interface SecretKeySelector {
  secret?: string;
  version?: string;
}

export interface SecretVolumeSource {
  secret?: string;
  items?: VersionToPath[];
  defaultMode?: number;
}

export interface Service {
  name?: string;
  description?: string;
  uid?: string;
  generation?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  createTime?: string;
  updateTime?: string;
  deleteTime?: string;
  expireTime?: string;
  creator?: string;
  lastModifier?: string;
  client?: string;
  clientVersion?: string;
  ingress?: IngressTraffic;
  launchStage?: googleapiLaunchStage;
  binaryAuthorization?: BinaryAuthorization;
  template?: RevisionTemplate;
  traffic?: TrafficTarget[];
  scaling?: ServiceScaling;
  invokerIamDisabled?: boolean;
  defaultUriDisabled?: boolean;
  urls?: string[];
  iapEnabled?: boolean;
  multiRegionSettings?: ServiceMultiRegionSettings;
  observedGeneration?: string;
  terminalCondition?: Condition;
  conditions?: Condition[];
  latestReadyRevision?: string;
  latestCreatedRevision?: string;
  trafficStatuses?: TrafficTargetStatus[];
  uri?: string;
  customAudiences?: string[];
  satisfiesPzs?: boolean;
  threatDetectionEnabled?: boolean;
  buildConfig?: BuildConfig;
  reconciling?: boolean;
  etag?: string;
}

export interface ServiceMesh {
  mesh?: string;
}

export interface ServiceMultiRegionSettings {
  regions?: string[];
  multiRegionId?: string;
}

export interface ServiceScaling {
  minInstanceCount?: number;
  scalingMode?: ServiceScalingScalingMode;
  maxInstanceCount?: number;
  manualInstanceCount?: number;
}

export type ServiceScalingScalingMode =
  | "SCALING_MODE_UNSPECIFIED"
  | "AUTOMATIC"
  | "MANUAL";

export interface SourceCode {
  cloudStorageSource?: SourceCodeCloudStorageSource;
}

export interface SourceCodeCloudStorageSource {
  bucket?: string;
  object?: string;
  generation?: string;
}

export interface Status {
  code?: number;
  message?: string;
  details?: ({ "@type": string; [more: string]: unknown })[];
}

export interface TCPSocketAction {
  port?: number;
}

export interface TrafficTarget {
  type?: TrafficTargetAllocationType;
  revision?: string;
  percent?: number;
  tag?: string;
}

export type TrafficTargetAllocationType =
  | "TRAFFIC_TARGET_ALLOCATION_TYPE_UNSPECIFIED"
  | "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST"
  | "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION";

export interface TrafficTargetStatus {
  type?: TrafficTargetAllocationType;
  revision?: string;
  percent?: number;
  tag?: string;
  uri?: string;
}

export interface VersionToPath {
  path?: string;
  version?: string;
  mode?: number;
}

export interface Volume {
  name?: string;
  secret?: SecretVolumeSource;
  cloudSqlInstance?: CloudSqlInstance;
  emptyDir?: EmptyDirVolumeSource;
  nfs?: NFSVolumeSource;
  gcs?: GCSVolumeSource;
}

export interface VolumeMount {
  name?: string;
  mountPath?: string;
  subPath?: string;
}

export interface VpcAccess {
  connector?: string;
  egress?: VpcAccessVpcEgress;
  networkInterfaces?: VpcAccessNetworkInterface[];
}

export interface VpcAccessNetworkInterface {
  network?: string;
  subnetwork?: string;
  tags?: string[];
}

export type VpcAccessVpcEgress =
  | "VPC_EGRESS_UNSPECIFIED"
  | "ALL_TRAFFIC"
  | "PRIVATE_RANGES_ONLY";

export type googleapiLaunchStage =
  | "LAUNCH_STAGE_UNSPECIFIED"
  | "UNIMPLEMENTED"
  | "PRELAUNCH"
  | "EARLY_ACCESS"
  | "ALPHA"
  | "BETA"
  | "GA"
  | "DEPRECATED";
