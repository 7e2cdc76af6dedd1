//! What the group uses: kinds of resource, the lines that each of them bills, and their share of money and of lines.
//!
//! Names of products, operations and usage types are AWS's; rates resemble its public ones in us-east-1 and are nobody's.

use super::calendar::Week;

/// Hourly rates in units of 1e-5 of the currency, ascending.
pub type Ladder = &'static [(&'static str, i64)];

/// How the first line of a resource is priced.
#[derive(Debug, Clone, Copy)]
pub enum Price {
    /// Hours at the rate of a size; the usage type ends with the size.
    Hourly(Ladder),
    /// An amount by the budget, at this rate (digits, places).
    Metered(i64, u8),
}

/// What pays for the first line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    OnDemand,
    Spot,
    /// One of these savings plans, in turn.
    SavingsPlans(&'static [usize]),
    Reservation(usize),
}

/// Where a kind of resource is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Anywhere,
    /// Always-on production workloads: what commitments are bought for.
    Production,
    Analytics,
    ContactCenter,
    Network,
    Logging,
    Security,
    SharedServices,
}

/// How resources are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    Instance,
    Volume,
    Snapshot,
    Bucket,
    /// `arn:aws:<service>:<region>:<account>:<kind><name>`.
    Arn(&'static str, &'static str),
    WorkSpace,
    /// Billed to the account, not to a resource.
    Absent,
}

/// One line that a resource bills.
#[derive(Debug, Clone, Copy)]
pub struct Line {
    pub usage_type: &'static str,
    pub operation: &'static str,
    pub service_code: &'static str,
    pub family: &'static str,
    pub unit: &'static str,
    pub what: &'static str,
    /// Rate of a line after the first (digits, places).
    pub rate: (i64, u8),
    /// Its cost in thousandths of the first line's; 0: a few millionths of a dollar each time, whatever the budget.
    pub share: i64,
    /// In how many of a thousand resources it occurs.
    pub chance: u64,
}

/// A kind of resource.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub product: &'static str,
    pub product_name: &'static str,
    pub price: Price,
    pub coverage: Coverage,
    /// Share of the money, in parts of 10,000 of the monthly total.
    pub money: i64,
    /// Share of the lines, in parts of the sum.
    pub rows: u64,
    pub week: Week,
    pub place: Place,
    pub naming: Naming,
    pub taggable: bool,
    /// Stays in a closed account.
    pub residual: bool,
    /// May spike.
    pub spikes: bool,
    /// May be metered by the hour; else by the day.
    pub hourly: bool,
    /// Resources that run as one fleet of the same size and zone.
    pub fleet: u64,
    pub lines: &'static [Line],
}

const fn line(
    usage_type: &'static str,
    operation: &'static str,
    service_code: &'static str,
    family: &'static str,
    unit: &'static str,
    what: &'static str,
) -> Line {
    Line { usage_type, operation, service_code, family, unit, what, rate: (0, 0), share: 1000, chance: 1000 }
}

const fn also(base: Line, rate: (i64, u8), share: i64, chance: u64) -> Line {
    Line { rate, share, chance, ..base }
}

const OUT: Line = line(
    "DataTransfer-Out-Bytes",
    "RunInstances",
    "AWSDataTransfer",
    "Data Transfer",
    "GB",
    "per GB - first 10 TB / month data transfer out",
);
const REGIONAL: Line = line(
    "DataTransfer-Regional-Bytes",
    "InterZone-In",
    "AWSDataTransfer",
    "Data Transfer",
    "GB",
    "per GB - regional data transfer between Availability Zones",
);

const GENERAL: Ladder = &[
    ("t3.micro", 1_040),
    ("t3.small", 2_080),
    ("t3.medium", 4_160),
    ("m6i.large", 9_600),
    ("m6i.xlarge", 19_200),
    ("c6i.2xlarge", 34_000),
    ("m6i.2xlarge", 38_400),
    ("r6i.2xlarge", 50_400),
    ("m6i.4xlarge", 76_800),
    ("r6i.4xlarge", 100_800),
    ("m6i.8xlarge", 153_600),
    ("r6i.8xlarge", 201_600),
    ("m6i.16xlarge", 307_200),
    ("r6i.24xlarge", 604_800),
    ("x2idn.32xlarge", 1_333_800),
    ("p4d.24xlarge", 3_277_260),
];
const COMMITTED: Ladder = &[
    ("m6i.large", 9_600),
    ("m6i.xlarge", 19_200),
    ("m6i.2xlarge", 38_400),
    ("m6i.4xlarge", 76_800),
    ("m6i.8xlarge", 153_600),
    ("m6i.16xlarge", 307_200),
    ("m6i.32xlarge", 614_400),
];
const RESERVED: Ladder = &[("m5.large", 9_600), ("m5.2xlarge", 38_400), ("m5.8xlarge", 153_600), ("m5.24xlarge", 460_800)];
const DATABASE: Ladder = &[
    ("db.t4g.medium", 7_300),
    ("db.r6g.large", 26_000),
    ("db.r6g.xlarge", 51_900),
    ("db.r6g.2xlarge", 103_800),
    ("db.r6g.4xlarge", 207_600),
    ("db.r6g.8xlarge", 415_300),
    ("db.r6g.16xlarge", 830_600),
    ("db.x2g.16xlarge", 1_206_900),
];
const CACHE: Ladder =
    &[("cache.t4g.small", 3_200), ("cache.r6g.large", 20_600), ("cache.r6g.xlarge", 41_100), ("cache.r6g.4xlarge", 164_300)];
const FARGATE: Ladder = &[("1", 4_048), ("2", 8_096), ("4", 16_192), ("8", 32_384), ("16", 64_768), ("64", 259_072)];
const WAREHOUSE: Ladder =
    &[("dc2.large", 25_000), ("ra3.xlplus", 108_600), ("ra3.4xlarge", 326_000), ("ra3.16xlarge", 1_304_000)];
const SEARCH: Ladder =
    &[("t3.small.search", 3_600), ("r6g.large.search", 16_700), ("r6g.2xlarge.search", 66_900), ("r6g.8xlarge.search", 267_600)];
const KAFKA: Ladder = &[("kafka.t3.small", 4_560), ("kafka.m5.large", 21_000), ("kafka.m5.4xlarge", 168_000)];
const LEARNING: Ladder = &[
    ("ml.t3.medium", 5_000),
    ("ml.m5.xlarge", 23_000),
    ("ml.m5.4xlarge", 92_200),
    ("ml.g5.2xlarge", 151_500),
    ("ml.p3.2xlarge", 382_500),
];
const CLUSTER: Ladder = &[("perCluster", 10_000)];

/// Base of an entry; the constants below change what differs.
const BASE: Entry = Entry {
    product: "",
    product_name: "",
    price: Price::Metered(1, 0),
    coverage: Coverage::OnDemand,
    money: 0,
    rows: 0,
    week: Week::Flat,
    place: Place::Anywhere,
    naming: Naming::Absent,
    taggable: true,
    residual: false,
    spikes: false,
    hourly: true,
    fleet: 1,
    lines: &[],
};

const EC2: Entry = Entry { product: "AmazonEC2", product_name: "Amazon Elastic Compute Cloud", ..BASE };
const RUN: Line =
    line("BoxUsage:", "RunInstances", "AmazonEC2", "Compute Instance", "Hrs", "per On Demand Linux {size} Instance Hour");
const INSTANCE_LINES: &[Line] = &[RUN, also(OUT, (9, 2), 60, 350), also(REGIONAL, (1, 2), 35, 450)];
const RDS: Entry = Entry { product: "AmazonRDS", product_name: "Amazon Relational Database Service", ..BASE };
const DATABASE_RUN: Line = line(
    "InstanceUsage:",
    "CreateDBInstance:0014",
    "AmazonRDS",
    "Database Instance",
    "Hrs",
    "per {size} Single-AZ instance hour running PostgreSQL",
);
const DATABASE_LINES: &[Line] = &[
    DATABASE_RUN,
    also(
        line(
            "RDS:GP3-Storage",
            "CreateDBInstance:0014",
            "AmazonRDS",
            "Database Storage",
            "GB-Mo",
            "per GB-month of provisioned GP3 storage",
        ),
        (115, 3),
        160,
        900,
    ),
    also(
        line(
            "RDS:ChargedBackupUsage",
            "CreateDBInstance",
            "AmazonRDS",
            "Storage Snapshot",
            "GB-Mo",
            "per additional GB-month of backup storage",
        ),
        (95, 3),
        45,
        500,
    ),
];
const FARGATE_RUN: Line = line(
    "Fargate-vCPU-Hours:perCPU",
    "FargateTask",
    "AmazonECS",
    "Compute",
    "hours",
    "per vCPU per hour of AWS Fargate ({size} vCPU)",
);
const FARGATE_LINES: &[Line] = &[
    FARGATE_RUN,
    also(
        line("Fargate-GB-Hours", "FargateTask", "AmazonECS", "Compute", "hours", "per GB of memory per hour of AWS Fargate"),
        (4_445, 6),
        220,
        1000,
    ),
];
const LEARNING_LINES: &[Line] =
    &[line("Host:", "RunInstance", "AmazonSageMaker", "ML Instance", "Hrs", "per Hosting {size} hour")];

/// Everything that the group uses. Coverage names plans and reservations by their index in `commitments`.
pub const CATALOGUE: &[Entry] = &[
    Entry { price: Price::Hourly(GENERAL), money: 1500, rows: 130, naming: Naming::Instance, lines: INSTANCE_LINES, ..EC2 },
    Entry {
        price: Price::Hourly(COMMITTED),
        coverage: Coverage::SavingsPlans(&[0, 1, 2, 0, 1]),
        money: 1200,
        rows: 95,
        place: Place::Production,
        naming: Naming::Instance,
        fleet: 3,
        lines: INSTANCE_LINES,
        ..EC2
    },
    Entry {
        price: Price::Hourly(RESERVED),
        coverage: Coverage::Reservation(0),
        money: 14,
        rows: 5,
        place: Place::Production,
        naming: Naming::Instance,
        lines: INSTANCE_LINES,
        ..EC2
    },
    Entry {
        price: Price::Hourly(GENERAL),
        coverage: Coverage::Spot,
        money: 150,
        rows: 28,
        week: Week::Batch,
        place: Place::Analytics,
        naming: Naming::Instance,
        spikes: true,
        lines: &[line(
            "SpotUsage:",
            "RunInstances:SV001",
            "AmazonEC2",
            "Compute Instance",
            "Hrs",
            "per {size} Linux Spot Instance hour",
        )],
        ..EC2
    },
    Entry {
        price: Price::Metered(8, 2),
        money: 560,
        rows: 130,
        naming: Naming::Volume,
        residual: true,
        hourly: false,
        lines: &[line(
            "EBS:VolumeUsage.gp3",
            "CreateVolume-Gp3",
            "AmazonEC2",
            "Storage",
            "GB-Mo",
            "per GB-month of General Purpose (gp3) provisioned storage",
        )],
        ..EC2
    },
    Entry {
        price: Price::Metered(5, 2),
        money: 120,
        rows: 38,
        naming: Naming::Snapshot,
        residual: true,
        hourly: false,
        lines: &[line(
            "EBS:SnapshotUsage",
            "CreateSnapshot",
            "AmazonEC2",
            "Storage Snapshot",
            "GB-Mo",
            "per GB-month of snapshot data stored",
        )],
        ..EC2
    },
    Entry {
        price: Price::Metered(45, 3),
        money: 150,
        rows: 14,
        week: Week::Business,
        naming: Naming::Arn("ec2", "natgateway/"),
        spikes: true,
        lines: &[line(
            "NatGateway-Bytes",
            "NatGateway",
            "AmazonEC2",
            "NAT Gateway",
            "GB",
            "per GB Data Processed by NAT Gateways",
        )],
        ..EC2
    },
    Entry {
        price: Price::Hourly(DATABASE),
        money: 560,
        rows: 40,
        naming: Naming::Arn("rds", "db:"),
        lines: DATABASE_LINES,
        ..RDS
    },
    Entry {
        price: Price::Hourly(DATABASE),
        coverage: Coverage::Reservation(1),
        money: 300,
        rows: 22,
        place: Place::Production,
        naming: Naming::Arn("rds", "db:"),
        lines: DATABASE_LINES,
        ..RDS
    },
    Entry {
        price: Price::Metered(2, 7),
        money: 120,
        rows: 12,
        week: Week::Business,
        naming: Naming::Arn("rds", "cluster:"),
        spikes: true,
        lines: &[line(
            "Aurora:StorageIOUsage",
            "CreateDBInstance:0021",
            "AmazonRDS",
            "System Operation",
            "IOs",
            "per I/O request (Aurora)",
        )],
        ..RDS
    },
    Entry {
        product: "AmazonS3",
        product_name: "Amazon Simple Storage Service",
        price: Price::Metered(23, 3),
        money: 480,
        rows: 110,
        naming: Naming::Bucket,
        residual: true,
        spikes: true,
        hourly: false,
        lines: &[
            line(
                "TimedStorage-ByteHrs",
                "StandardStorage",
                "AmazonS3",
                "Storage",
                "GB-Mo",
                "per GB - first 50 TB / month of storage used",
            ),
            also(
                line(
                    "Requests-Tier1",
                    "PutObject",
                    "AmazonS3",
                    "API Request",
                    "Requests",
                    "per PUT, COPY, POST, or LIST request",
                ),
                (5, 6),
                90,
                650,
            ),
            also(
                line("Requests-Tier2", "GetObject", "AmazonS3", "API Request", "Requests", "per GET or other request"),
                (4, 7),
                0,
                800,
            ),
            also(OUT, (9, 2), 120, 200),
        ],
        ..BASE
    },
    Entry {
        product: "AmazonS3",
        product_name: "Amazon Simple Storage Service",
        price: Price::Metered(4, 3),
        money: 60,
        rows: 12,
        place: Place::Logging,
        naming: Naming::Bucket,
        residual: true,
        hourly: false,
        lines: &[line(
            "TimedStorage-GIR-ByteHrs",
            "GlacierInstantRetrievalStorage",
            "AmazonS3",
            "Storage",
            "GB-Mo",
            "per GB-Month of storage used in Glacier Instant Retrieval",
        )],
        ..BASE
    },
    Entry {
        product: "AmazonECS",
        product_name: "Amazon Elastic Container Service",
        price: Price::Hourly(FARGATE),
        money: 200,
        rows: 34,
        naming: Naming::Arn("ecs", "task/"),
        lines: FARGATE_LINES,
        ..BASE
    },
    Entry {
        product: "AmazonECS",
        product_name: "Amazon Elastic Container Service",
        price: Price::Hourly(FARGATE),
        coverage: Coverage::SavingsPlans(&[0]),
        money: 120,
        rows: 22,
        place: Place::Production,
        naming: Naming::Arn("ecs", "task/"),
        fleet: 2,
        lines: FARGATE_LINES,
        ..BASE
    },
    Entry {
        product: "AmazonEKS",
        product_name: "Amazon Elastic Kubernetes Service",
        price: Price::Hourly(CLUSTER),
        money: 20,
        rows: 8,
        naming: Naming::Arn("eks", "cluster/"),
        lines: &[line("AmazonEKS-Hours:", "CreateOperation", "AmazonEKS", "Compute", "Hours", "per Amazon EKS cluster hour")],
        ..BASE
    },
    Entry {
        product: "AWSLambda",
        product_name: "AWS Lambda",
        price: Price::Metered(166_667, 10),
        money: 130,
        rows: 72,
        week: Week::Business,
        naming: Naming::Arn("lambda", "function:"),
        spikes: true,
        lines: &[
            line("Lambda-GB-Second", "Invoke", "AWSLambda", "Serverless", "Lambda-GB-Second", "per GB-second - total compute"),
            also(line("Request", "Invoke", "AWSLambda", "Serverless", "Requests", "per request"), (2, 7), 0, 900),
        ],
        ..BASE
    },
    Entry {
        product: "AmazonDynamoDB",
        product_name: "Amazon DynamoDB",
        price: Price::Metered(125, 9),
        money: 190,
        rows: 44,
        week: Week::Business,
        naming: Naming::Arn("dynamodb", "table/"),
        spikes: true,
        lines: &[
            line(
                "ReadRequestUnits",
                "PayPerRequestThroughput",
                "AmazonDynamoDB",
                "Amazon DynamoDB PayPerRequest Throughput",
                "ReadRequestUnits",
                "per read request unit",
            ),
            also(
                line(
                    "WriteRequestUnits",
                    "PayPerRequestThroughput",
                    "AmazonDynamoDB",
                    "Amazon DynamoDB PayPerRequest Throughput",
                    "WriteRequestUnits",
                    "per write request unit",
                ),
                (625, 9),
                400,
                900,
            ),
            also(
                line(
                    "TimedStorage-ByteHrs",
                    "StandardStorage",
                    "AmazonDynamoDB",
                    "Database Storage",
                    "GB-Mo",
                    "per GB-Month of storage used beyond first free 25 GB",
                ),
                (25, 2),
                250,
                800,
            ),
        ],
        ..BASE
    },
    Entry {
        product: "AmazonElastiCache",
        product_name: "Amazon ElastiCache",
        price: Price::Hourly(CACHE),
        money: 90,
        rows: 12,
        naming: Naming::Arn("elasticache", "cluster:"),
        lines: &[line(
            "NodeUsage:",
            "CreateCacheCluster:0002",
            "AmazonElastiCache",
            "Cache Instance",
            "Hrs",
            "per {size} node hour running Redis",
        )],
        ..BASE
    },
    Entry {
        product: "AmazonElastiCache",
        product_name: "Amazon ElastiCache",
        price: Price::Hourly(CACHE),
        coverage: Coverage::Reservation(2),
        money: 90,
        rows: 10,
        place: Place::Production,
        naming: Naming::Arn("elasticache", "cluster:"),
        lines: &[line(
            "NodeUsage:",
            "CreateCacheCluster:0002",
            "AmazonElastiCache",
            "Cache Instance",
            "Hrs",
            "per {size} node hour running Redis",
        )],
        ..BASE
    },
    Entry {
        product: "AmazonRedshift",
        product_name: "Amazon Redshift",
        price: Price::Hourly(WAREHOUSE),
        money: 280,
        rows: 8,
        place: Place::Analytics,
        naming: Naming::Arn("redshift", "cluster:"),
        lines: &[
            line("Node:", "RunComputeNode:0001", "AmazonRedshift", "Compute Instance", "Hrs", "per Redshift {size} node hour"),
            also(
                line(
                    "RMS:ra3",
                    "RunComputeNode:0001",
                    "AmazonRedshift",
                    "Redshift Managed Storage",
                    "GB-Mo",
                    "per GB-month of managed storage",
                ),
                (24, 3),
                120,
                900,
            ),
        ],
        ..BASE
    },
    Entry {
        product: "AmazonES",
        product_name: "Amazon OpenSearch Service",
        price: Price::Hourly(SEARCH),
        money: 140,
        rows: 12,
        naming: Naming::Arn("es", "domain/"),
        lines: &[line(
            "ESInstance:",
            "ESDomain",
            "AmazonES",
            "Amazon OpenSearch Service Instance",
            "Hrs",
            "per {size} instance hour",
        )],
        ..BASE
    },
    Entry {
        product: "AmazonMSK",
        product_name: "Amazon Managed Streaming for Apache Kafka",
        price: Price::Hourly(KAFKA),
        money: 110,
        rows: 8,
        place: Place::SharedServices,
        naming: Naming::Arn("kafka", "cluster/"),
        lines: &[line(
            "Kafka.",
            "RunBroker",
            "AmazonMSK",
            "Managed Streaming for Apache Kafka",
            "hours",
            "per {size} broker hour",
        )],
        ..BASE
    },
    Entry {
        product: "AmazonKinesis",
        product_name: "Amazon Kinesis",
        price: Price::Metered(15, 3),
        money: 70,
        rows: 14,
        week: Week::Business,
        naming: Naming::Arn("kinesis", "stream/"),
        lines: &[line(
            "Storage-ShardHour",
            "shardHourStorage",
            "AmazonKinesis",
            "Kinesis Streams",
            "ShardHour",
            "per shard hour",
        )],
        ..BASE
    },
    Entry {
        product: "AWSGlue",
        product_name: "AWS Glue",
        price: Price::Metered(44, 2),
        money: 140,
        rows: 22,
        week: Week::Batch,
        place: Place::Analytics,
        naming: Naming::Arn("glue", "job/"),
        spikes: true,
        hourly: false,
        lines: &[line(
            "ETL-DPU-Hour",
            "Jobrun",
            "AWSGlue",
            "AWS Glue",
            "DPU-Hour",
            "per Data Processing Unit-Hour for AWS Glue ETL job",
        )],
        ..BASE
    },
    Entry {
        product: "AmazonAthena",
        product_name: "Amazon Athena",
        price: Price::Metered(5, 0),
        money: 80,
        rows: 10,
        week: Week::Business,
        place: Place::Analytics,
        naming: Naming::Arn("athena", "workgroup/"),
        spikes: true,
        hourly: false,
        lines: &[line(
            "DataScannedInTB",
            "ExecuteQuery",
            "AmazonAthena",
            "Athena Queries",
            "Terabytes",
            "per Terabyte of data scanned",
        )],
        ..BASE
    },
    Entry {
        product: "ElasticMapReduce",
        product_name: "Amazon Elastic MapReduce",
        price: Price::Metered(48, 3),
        money: 160,
        rows: 16,
        week: Week::Batch,
        place: Place::Analytics,
        naming: Naming::Arn("elasticmapreduce", "cluster/"),
        spikes: true,
        lines: &[line(
            "BoxUsage:m6i.4xlarge",
            "RunInstances",
            "ElasticMapReduce",
            "Elastic Map Reduce Instance",
            "Hrs",
            "per hour for EMR m6i.4xlarge",
        )],
        ..BASE
    },
    Entry {
        product: "AmazonSageMaker",
        product_name: "Amazon SageMaker",
        price: Price::Hourly(LEARNING),
        money: 130,
        rows: 10,
        place: Place::Analytics,
        naming: Naming::Arn("sagemaker", "endpoint/"),
        lines: LEARNING_LINES,
        ..BASE
    },
    Entry {
        product: "AmazonSageMaker",
        product_name: "Amazon SageMaker",
        price: Price::Hourly(LEARNING),
        coverage: Coverage::SavingsPlans(&[3]),
        money: 12,
        rows: 4,
        place: Place::Production,
        naming: Naming::Arn("sagemaker", "endpoint/"),
        lines: LEARNING_LINES,
        ..BASE
    },
    Entry {
        product: "AmazonBedrock",
        product_name: "Amazon Bedrock",
        price: Price::Metered(3, 6),
        money: 190,
        rows: 16,
        week: Week::Business,
        naming: Naming::Arn("bedrock", "application-inference-profile/"),
        spikes: true,
        lines: &[
            line("InputTokenCount", "InvokeModel", "AmazonBedrock", "Amazon Bedrock", "1K tokens", "per 1K input tokens"),
            also(
                line("OutputTokenCount", "InvokeModel", "AmazonBedrock", "Amazon Bedrock", "1K tokens", "per 1K output tokens"),
                (15, 6),
                700,
                1000,
            ),
        ],
        ..BASE
    },
    Entry {
        product: "AmazonCloudWatch",
        product_name: "AmazonCloudWatch",
        price: Price::Metered(5, 1),
        money: 210,
        rows: 70,
        week: Week::Business,
        naming: Naming::Arn("logs", "log-group:/aws/"),
        spikes: true,
        hourly: false,
        lines: &[
            line(
                "DataProcessing-Bytes",
                "PutLogEvents",
                "AmazonCloudWatch",
                "Data Payload",
                "GB",
                "per GB custom log data ingested in Standard log class",
            ),
            also(
                line(
                    "TimedStorage-ByteHrs",
                    "HourlyStorageMetering",
                    "AmazonCloudWatch",
                    "Storage Snapshot",
                    "GB-Mo",
                    "per GB-mo of log storage",
                ),
                (3, 2),
                0,
                700,
            ),
        ],
        ..BASE
    },
    Entry {
        product: "AWSCloudTrail",
        product_name: "AWS CloudTrail",
        price: Price::Metered(1, 6),
        money: 55,
        rows: 14,
        place: Place::Logging,
        naming: Naming::Arn("cloudtrail", "trail/"),
        taggable: false,
        hourly: false,
        lines: &[line(
            "DataEventsRecorded",
            "None",
            "AWSCloudTrail",
            "Management Tools - AWS CloudTrail Data Events Recorded",
            "Events",
            "per data event recorded",
        )],
        ..BASE
    },
    Entry {
        product: "AWSConfig",
        product_name: "AWS Config",
        price: Price::Metered(3, 3),
        money: 50,
        rows: 20,
        place: Place::Anywhere,
        taggable: false,
        hourly: false,
        lines: &[line(
            "ConfigurationItemRecorded",
            "None",
            "AWSConfig",
            "Management Tools - AWS Config",
            "ConfigurationItemRecorded",
            "per Configuration Item recorded",
        )],
        ..BASE
    },
    Entry {
        product: "AmazonGuardDuty",
        product_name: "Amazon GuardDuty",
        price: Price::Metered(4, 6),
        money: 95,
        rows: 20,
        place: Place::Security,
        naming: Naming::Arn("guardduty", "detector/"),
        hourly: false,
        lines: &[line(
            "PaidEventsAnalyzed",
            "",
            "AmazonGuardDuty",
            "Security Services",
            "Events",
            "per event analyzed by Amazon GuardDuty",
        )],
        ..BASE
    },
    Entry {
        product: "AWSSecurityHub",
        product_name: "AWS Security Hub",
        price: Price::Metered(1, 3),
        money: 30,
        rows: 10,
        place: Place::Security,
        taggable: false,
        hourly: false,
        lines: &[line("PaidComplianceCheck", "None", "AWSSecurityHub", "AWS Security Hub", "Checks", "per security check")],
        ..BASE
    },
    Entry {
        product: "awskms",
        product_name: "AWS Key Management Service",
        price: Price::Metered(1, 0),
        money: 22,
        rows: 28,
        naming: Naming::Arn("kms", "key/"),
        residual: true,
        hourly: false,
        lines: &[
            line("KMS-Keys", "", "awskms", "Encryption Key", "Keys", "per customer managed KMS key version"),
            also(line("KMS-Requests", "Decrypt", "awskms", "API Request", "Requests", "per KMS request"), (3, 6), 0, 700),
        ],
        ..BASE
    },
    Entry {
        product: "AWSSecretsManager",
        product_name: "AWS Secrets Manager",
        price: Price::Metered(4, 1),
        money: 10,
        rows: 12,
        naming: Naming::Arn("secretsmanager", "secret:"),
        hourly: false,
        lines: &[line("AWSSecretsManager-Secrets", "", "AWSSecretsManager", "Secret", "Secrets", "per Secret")],
        ..BASE
    },
    Entry {
        product: "AWSQueueService",
        product_name: "Amazon Simple Queue Service",
        price: Price::Metered(4, 7),
        money: 22,
        rows: 22,
        week: Week::Business,
        naming: Naming::Arn("sqs", ""),
        lines: &[line("Requests-RBP", "SQS-APIRequest-RBP", "AWSQueueService", "API Request", "Requests", "per request")],
        ..BASE
    },
    Entry {
        product: "AmazonStates",
        product_name: "AWS Step Functions",
        price: Price::Metered(25, 6),
        money: 24,
        rows: 10,
        week: Week::Batch,
        naming: Naming::Arn("states", "stateMachine:"),
        hourly: false,
        lines: &[line("StateTransition", "", "AmazonStates", "AWS Step Functions", "StateTransitions", "per state transition")],
        ..BASE
    },
    Entry {
        product: "AmazonApiGateway",
        product_name: "Amazon API Gateway",
        price: Price::Metered(35, 7),
        money: 40,
        rows: 18,
        week: Week::Business,
        naming: Naming::Arn("apigateway", "/restapis/"),
        spikes: true,
        lines: &[line(
            "ApiGatewayRequest",
            "ApiGatewayRequest",
            "AmazonApiGateway",
            "Amazon API Gateway",
            "Requests",
            "per API request received",
        )],
        ..BASE
    },
    Entry {
        product: "AWSELB",
        product_name: "Elastic Load Balancing",
        price: Price::Metered(225, 4),
        money: 110,
        rows: 34,
        naming: Naming::Arn("elasticloadbalancing", "loadbalancer/app/"),
        lines: &[
            line(
                "LoadBalancerUsage",
                "LoadBalancing:Application",
                "AWSELB",
                "Load Balancer-Application",
                "Hrs",
                "per Application LoadBalancer-hour",
            ),
            also(
                line(
                    "LCUUsage",
                    "LoadBalancing:Application",
                    "AWSELB",
                    "Load Balancer-Application",
                    "LCU-Hrs",
                    "per used Application load balancer capacity unit-hour",
                ),
                (8, 3),
                350,
                900,
            ),
        ],
        ..BASE
    },
    Entry {
        product: "AmazonVPC",
        product_name: "Amazon Virtual Private Cloud",
        price: Price::Metered(2, 2),
        money: 170,
        rows: 20,
        week: Week::Business,
        place: Place::Network,
        naming: Naming::Arn("ec2", "transit-gateway-attachment/"),
        lines: &[line(
            "TransitGateway-Bytes",
            "TransitGatewayVPC",
            "AmazonVPC",
            "AWS Transit Gateway",
            "GB",
            "per GB Data Processed by Transit Gateway",
        )],
        ..BASE
    },
    Entry {
        product: "AmazonVPC",
        product_name: "Amazon Virtual Private Cloud",
        price: Price::Metered(1, 2),
        money: 50,
        rows: 20,
        naming: Naming::Arn("ec2", "vpc-endpoint/"),
        lines: &[line("VpcEndpoint-Hours", "VpcEndpoint", "AmazonVPC", "VpcEndpoint", "Hrs", "per VPC Endpoint Hour")],
        ..BASE
    },
    Entry {
        product: "AWSDirectConnect",
        product_name: "AWS Direct Connect",
        price: Price::Metered(225, 2),
        money: 65,
        rows: 4,
        place: Place::Network,
        naming: Naming::Arn("directconnect", "dxcon/"),
        lines: &[
            line(
                "PortUsage:10G",
                "DirectConnectPortUsage",
                "AWSDirectConnect",
                "Direct Connect",
                "Hrs",
                "per hour of 10 Gbps port",
            ),
            also(OUT, (2, 2), 300, 1000),
        ],
        ..BASE
    },
    Entry {
        product: "AmazonRoute53",
        product_name: "Amazon Route 53",
        price: Price::Metered(4, 7),
        money: 16,
        rows: 10,
        naming: Naming::Arn("route53", ":hostedzone/"),
        hourly: false,
        lines: &[line("DNS-Queries", "A", "AmazonRoute53", "DNS Query", "Queries", "per query")],
        ..BASE
    },
    Entry {
        product: "AmazonWorkSpaces",
        product_name: "Amazon WorkSpaces",
        price: Price::Metered(35, 0),
        money: 110,
        rows: 20,
        place: Place::ContactCenter,
        naming: Naming::WorkSpace,
        hourly: false,
        lines: &[line(
            "AW-HW-2",
            "AlwaysOn",
            "AmazonWorkSpaces",
            "Enterprise Applications",
            "WorkSpace-Months",
            "per month for Standard AlwaysOn WorkSpace",
        )],
        ..BASE
    },
    Entry {
        product: "AmazonConnect",
        product_name: "Amazon Connect",
        price: Price::Metered(18, 3),
        money: 130,
        rows: 8,
        week: Week::Business,
        place: Place::ContactCenter,
        naming: Naming::Arn("connect", "instance/"),
        spikes: true,
        hourly: false,
        lines: &[line(
            "end-customer-mins",
            "end-customer-mins",
            "AmazonConnect",
            "Contact Center",
            "Minute",
            "per minute of Amazon Connect service usage",
        )],
        ..BASE
    },
    Entry {
        product: "awswaf",
        product_name: "AWS WAF",
        price: Price::Metered(6, 7),
        money: 35,
        rows: 10,
        week: Week::Business,
        naming: Naming::Arn("wafv2", "regional/webacl/"),
        lines: &[line("RequestV2-Tier1", "", "awswaf", "Web Application Firewall", "Requests", "per request processed")],
        ..BASE
    },
    Entry {
        product: "AWSBackup",
        product_name: "AWS Backup",
        price: Price::Metered(5, 2),
        money: 85,
        rows: 18,
        naming: Naming::Arn("backup", "backup-vault:"),
        residual: true,
        hourly: false,
        lines: &[line(
            "WarmStorage-ByteHrs-EBS",
            "Storage",
            "AWSBackup",
            "AWS Backup Storage",
            "GB-Mo",
            "per GB-Month of warm backup storage",
        )],
        ..BASE
    },
    Entry {
        product: "AWSTransfer",
        product_name: "AWS Transfer Family",
        price: Price::Metered(3, 1),
        money: 25,
        rows: 6,
        naming: Naming::Arn("transfer", "server/"),
        lines: &[
            line(
                "ProtocolHours",
                "SFTP:S3",
                "AWSTransfer",
                "AWS Transfer Family",
                "Hourly",
                "per hour that an SFTP endpoint is enabled",
            ),
            also(
                line("UploadBytes", "SFTP:S3", "AWSTransfer", "AWS Transfer Family", "GigaBytes", "per GB uploaded over SFTP"),
                (4, 2),
                200,
                900,
            ),
        ],
        ..BASE
    },
    Entry {
        product: "AmazonCloudFront",
        product_name: "Amazon CloudFront",
        price: Price::Metered(85, 3),
        money: 75,
        rows: 12,
        week: Week::Business,
        naming: Naming::Arn("cloudfront", "distribution/"),
        spikes: true,
        lines: &[
            line(
                "US-DataTransfer-Out-Bytes",
                "GET",
                "AmazonCloudFront",
                "Data Transfer",
                "GB",
                "per GB - first 10 TB / month data transfer out to internet",
            ),
            also(
                line("US-Requests-Tier2-HTTPS", "GET", "AmazonCloudFront", "Request", "Requests", "per HTTPS request"),
                (1, 6),
                0,
                1000,
            ),
        ],
        ..BASE
    },
    Entry {
        product: "AmazonEFS",
        product_name: "Amazon Elastic File System",
        price: Price::Metered(3, 1),
        money: 50,
        rows: 14,
        naming: Naming::Arn("elasticfilesystem", "file-system/"),
        residual: true,
        hourly: false,
        lines: &[line("TimedStorage-ByteHrs", "", "AmazonEFS", "Storage", "GB-Mo", "per GB-Mo for Standard storage")],
        ..BASE
    },
    Entry {
        product: "AmazonFSx",
        product_name: "Amazon FSx",
        price: Price::Metered(13, 2),
        money: 45,
        rows: 6,
        place: Place::SharedServices,
        naming: Naming::Arn("fsx", "file-system/"),
        hourly: false,
        lines: &[line(
            "Storage.MultiAZ:SSD",
            "CreateFileSystem:Windows",
            "AmazonFSx",
            "Storage",
            "GB-Mo",
            "per GB-month of Multi-AZ SSD storage",
        )],
        ..BASE
    },
];

/// Index of the on-demand instances, to which volumes are attached.
pub const INSTANCES: usize = 0;
/// Index of the volumes.
pub const VOLUMES: usize = 4;

/// Position of a product among the distinct ones of the catalogue, in order of first occurrence.
pub fn product_indexes() -> (Vec<&'static str>, Vec<usize>) {
    let mut names: Vec<&'static str> = Vec::new();
    let mut indexes = Vec::with_capacity(CATALOGUE.len());
    for entry in CATALOGUE {
        let index = names.iter().position(|name| *name == entry.product).unwrap_or_else(|| {
            names.push(entry.product);
            names.len() - 1
        });
        indexes.push(index);
    }
    (names, indexes)
}
