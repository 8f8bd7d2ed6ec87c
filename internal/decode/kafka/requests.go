package kafka

// The bodies of requests.

var produceRequest = []field{
	{name: "transactional_id", kind: text, from: 3},
	{name: "acks", kind: integer16},
	{name: "timeout_ms", kind: integer32},
	{name: "topic", kind: array, of: []field{
		{kind: topic, till: 13},
		{kind: topicID, from: 13},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{kind: records},
		}},
	}},
}

var fetchRequest = []field{
	{name: "replica_id", kind: integer32, till: 15, quiet: true},
	{name: "max_wait_ms", kind: integer32},
	{name: "min_bytes", kind: integer32},
	{name: "max_bytes", kind: integer32, from: 3},
	{name: "isolation_level", kind: integer8, from: 4, quiet: true},
	{name: "session_id", kind: integer32, from: 7, quiet: true},
	{name: "session_epoch", kind: integer32, from: 7, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic, till: 13},
		{kind: topicID, from: 13},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{name: "current_leader_epoch", kind: integer32, from: 9, quiet: true},
			{name: "fetch_offset", kind: integer64},
			{name: "last_fetched_epoch", kind: integer32, from: 12, quiet: true},
			{name: "log_start_offset", kind: integer64, from: 5, quiet: true},
			{name: "partition_max_bytes", kind: integer32},
		}},
	}},
	{name: "forgotten", kind: array, from: 7, of: []field{
		{kind: topic, till: 13},
		{kind: topicID, from: 13},
		{name: "partitions", kind: list32},
	}},
	{name: "rack_id", kind: text, from: 11},
}

var listOffsetsRequest = []field{
	{name: "replica_id", kind: integer32, quiet: true},
	{name: "isolation_level", kind: integer8, from: 2, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{name: "current_leader_epoch", kind: integer32, from: 4, quiet: true},
			{name: "timestamp", kind: integer64},
			{name: "max_num_offsets", kind: integer32, till: 1},
		}},
	}},
	{name: "timeout_ms", kind: integer32, from: 10},
}

var metadataRequest = []field{
	{name: "topic", kind: array, of: []field{
		{kind: topicID, from: 10},
		{kind: topic},
	}},
	{name: "allow_auto_topic_creation", kind: boolean, from: 4},
	{kind: boolean, from: 8, till: 11},
	{kind: boolean, from: 8},
}

var offsetCommitRequest = []field{
	{kind: group},
	{name: "generation", kind: integer32, from: 1},
	{name: "member_id", kind: text, from: 1},
	{name: "group_instance_id", kind: text, from: 7},
	{name: "retention_ms", kind: integer64, from: 2, till: 5, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic, till: 10},
		{kind: topicID, from: 10},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{name: "offset", kind: integer64},
			{name: "leader_epoch", kind: integer32, from: 6, quiet: true},
			{name: "timestamp", kind: integer64, from: 1, till: 2, quiet: true},
			{name: "metadata", kind: text},
		}},
	}},
}

var offsetFetchRequest = []field{
	{kind: group, till: 8},
	{name: "topic", kind: array, till: 8, of: []field{
		{kind: topic},
		{name: "partitions", kind: list32},
	}},
	{name: "group", kind: array, from: 8, of: []field{
		{kind: group},
		{name: "member_id", kind: text, from: 9},
		{name: "member_epoch", kind: integer32, from: 9, quiet: true},
		{name: "topic", kind: array, of: []field{
			{kind: topic, till: 10},
			{kind: topicID, from: 10},
			{name: "partitions", kind: list32},
		}},
	}},
	{name: "require_stable", kind: boolean, from: 7, quiet: true},
}

var findCoordinatorRequest = []field{
	{kind: subject, till: 4},
	{name: "key_type", kind: integer8, from: 1},
	{kind: subjects, from: 4},
}

var joinGroupRequest = []field{
	{kind: group},
	{name: "session_timeout_ms", kind: integer32},
	{name: "rebalance_timeout_ms", kind: integer32, from: 1},
	{name: "member_id", kind: text},
	{name: "group_instance_id", kind: text, from: 5},
	{name: "protocol_type", kind: text},
	{name: "protocol", kind: array, of: []field{
		{name: "name", kind: text},
		{name: "metadata_bytes", kind: blob},
	}},
	{name: "reason", kind: text, from: 8},
}

var heartbeatRequest = []field{
	{kind: group},
	{name: "generation", kind: integer32},
	{name: "member_id", kind: text},
	{name: "group_instance_id", kind: text, from: 3},
}

var syncGroupRequest = []field{
	{kind: group},
	{name: "generation", kind: integer32},
	{name: "member_id", kind: text},
	{name: "group_instance_id", kind: text, from: 3},
	{name: "protocol_type", kind: text, from: 5},
	{name: "protocol", kind: text, from: 5},
	{name: "assignment", kind: array, of: []field{
		{name: "member_id", kind: text},
		{name: "assignment_bytes", kind: blob},
	}},
}

var saslHandshakeRequest = []field{
	{kind: subject},
}

var apiVersionsRequest = []field{
	{name: "client_software_name", kind: text, from: 3},
	{name: "client_software_version", kind: text, from: 3},
	{name: "cluster_id", kind: text, from: 5},
	{name: "node_id", kind: integer32, from: 5, quiet: true},
}

var createTopicsRequest = []field{
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partitions", kind: integer32},
		{name: "replication_factor", kind: integer16},
		{name: "assignment", kind: array, of: []field{
			{kind: partition},
			{name: "replicas", kind: list32},
		}},
		{name: "config", kind: array, of: []field{
			{name: "name", kind: configName},
			{name: "value", kind: configValue},
		}},
	}},
	{name: "timeout_ms", kind: integer32},
	{name: "validate_only", kind: boolean, from: 1, quiet: true},
}

var initProducerIDRequest = []field{
	{kind: subject},
	{name: "transaction_timeout_ms", kind: integer32},
	{name: "producer_id", kind: integer64, from: 3, quiet: true},
	{name: "producer_epoch", kind: integer16, from: 3, quiet: true},
}

var saslAuthenticateRequest = []field{
	{name: "auth_bytes", kind: secretBytes},
}
