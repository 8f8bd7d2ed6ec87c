package kafka

// The bodies of what administrators' tools send, and of transactions.

var leaveGroupRequest = []field{
	{kind: group},
	{name: "member_id", kind: text, till: 3},
	{name: "member", kind: array, from: 3, of: []field{
		{name: "member_id", kind: text},
		{name: "group_instance_id", kind: text},
		{name: "reason", kind: text, from: 5},
	}},
}

var leaveGroupResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
	{kind: errorCode},
	{name: "member", kind: array, from: 3, of: []field{
		{name: "member_id", kind: text},
		{name: "group_instance_id", kind: text},
		{kind: errorCode},
	}},
}

// namedGroups is the body of requests about several groups.
var namedGroups = []field{
	{kind: subjects},
}

var describeGroupsRequest = []field{
	{kind: subjects},
	{kind: boolean, from: 3},
}

var describeGroupsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
	{name: "group", kind: array, of: []field{
		{kind: errorCode},
		{kind: errorText, from: 6},
		{kind: group},
		{name: "state", kind: text},
		{name: "protocol_type", kind: text},
		{name: "protocol", kind: text},
		{name: "member", kind: array, of: []field{
			{name: "member_id", kind: text},
			{name: "group_instance_id", kind: text, from: 4},
			{name: "client_id", kind: text},
			{name: "client_host", kind: text},
			{name: "metadata_bytes", kind: blob},
			{name: "assignment_bytes", kind: blob},
		}},
		{kind: integer32, from: 3},
	}},
}

var listGroupsRequest = []field{
	{name: "states", kind: listOf, from: 4},
	{name: "types", kind: listOf, from: 5},
}

var listGroupsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
	{kind: errorCode},
	{name: "group", kind: array, of: []field{
		{kind: group},
		{name: "protocol_type", kind: text},
		{name: "state", kind: text, from: 4},
		{name: "type", kind: text, from: 5},
	}},
}

var deleteGroupsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "group", kind: array, of: []field{
		{kind: group},
		{kind: errorCode},
		{kind: errorText, from: 3},
	}},
}

var deleteTopicsRequest = []field{
	{name: "topic", kind: array, from: 6, of: []field{
		{kind: topic},
		{kind: topicID},
	}},
	{kind: subjects, till: 6},
	{name: "timeout_ms", kind: integer32},
}

var deleteTopicsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{kind: topicID, from: 6},
		{kind: errorCode},
		{kind: errorText, from: 5},
	}},
}

var deleteRecordsRequest = []field{
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{name: "offset", kind: integer64},
		}},
	}},
	{name: "timeout_ms", kind: integer32},
}

var deleteRecordsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{name: "low_watermark", kind: integer64},
			{kind: errorCode},
		}},
	}},
}

var createPartitionsRequest = []field{
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "count", kind: integer32},
		{name: "assignment", kind: array, of: []field{
			{name: "replicas", kind: list32},
		}},
	}},
	{name: "timeout_ms", kind: integer32},
	{name: "validate_only", kind: boolean, quiet: true},
}

var createPartitionsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{kind: errorCode},
		{kind: errorText},
	}},
}

var describeConfigsRequest = []field{
	{name: "resource", kind: array, of: []field{
		{name: "type", kind: integer8},
		{kind: group},
		{name: "names", kind: listOf},
	}},
	{name: "include_synonyms", kind: boolean, from: 1, quiet: true},
	{name: "include_documentation", kind: boolean, from: 3, quiet: true},
}

var describeConfigsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "resource", kind: array, of: []field{
		{kind: errorCode},
		{kind: errorText},
		{name: "type", kind: integer8},
		{kind: group},
		{name: "config", kind: array, of: []field{
			{name: "name", kind: configName},
			{name: "value", kind: configValue},
			{name: "read_only", kind: boolean, quiet: true},
			{kind: boolean, till: 1},
			{name: "source", kind: integer8, from: 1},
			{name: "sensitive", kind: boolean, quiet: true},
			{kind: array, from: 1, of: []field{
				{kind: configName},
				{kind: configValue},
				{kind: integer8},
			}},
			{kind: integer8, from: 3},
			{kind: text, from: 3},
		}},
	}},
}

var alterConfigsRequest = []field{
	{name: "resource", kind: array, of: []field{
		{name: "type", kind: integer8},
		{kind: group},
		{name: "config", kind: array, of: []field{
			{name: "name", kind: configName},
			{name: "value", kind: configValue},
		}},
	}},
	{name: "validate_only", kind: boolean, quiet: true},
}

var incrementalAlterConfigsRequest = []field{
	{name: "resource", kind: array, of: []field{
		{name: "type", kind: integer8},
		{kind: group},
		{name: "config", kind: array, of: []field{
			{name: "name", kind: configName},
			{name: "operation", kind: integer8},
			{name: "value", kind: configValue},
		}},
	}},
	{name: "validate_only", kind: boolean, quiet: true},
}

// alterConfigsResponse is also that of IncrementalAlterConfigs.
var alterConfigsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "resource", kind: array, of: []field{
		{kind: errorCode},
		{kind: errorText},
		{name: "type", kind: integer8},
		{kind: group},
	}},
}

var describeClusterRequest = []field{
	{kind: boolean},
	{name: "endpoint_type", kind: integer8, from: 1},
	{kind: boolean, from: 2},
}

var describeClusterResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode},
	{kind: errorText},
	{name: "endpoint_type", kind: integer8, from: 1},
	{name: "cluster_id", kind: text},
	{name: "controller_id", kind: integer32},
	{name: "broker", kind: array, of: []field{
		{name: "node_id", kind: integer32},
		{name: "host", kind: text},
		{name: "port", kind: integer32},
		{name: "rack", kind: text},
		{name: "fenced", kind: boolean, from: 2, quiet: true},
	}},
	{kind: integer32},
}

// topicPartitions has the topics of requests that have a list of partitions.
var topicPartitions = []field{
	{kind: topic},
	{name: "partitions", kind: list32},
}

// partitionErrors has the topics of responses that have an error for each partition.
var partitionErrors = []field{
	{kind: topic},
	{name: "partition", kind: array, of: []field{
		{kind: partition},
		{kind: errorCode},
	}},
}

var addPartitionsToTxnRequest = []field{
	{kind: subject, till: 4},
	{name: "producer_id", kind: integer64, till: 4},
	{name: "producer_epoch", kind: integer16, till: 4},
	{name: "topic", kind: array, till: 4, of: topicPartitions},
	{name: "transaction", kind: array, from: 4, of: []field{
		{kind: group},
		{name: "producer_id", kind: integer64},
		{name: "producer_epoch", kind: integer16},
		{name: "verify_only", kind: boolean, quiet: true},
		{name: "topic", kind: array, of: topicPartitions},
	}},
}

var addPartitionsToTxnResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode, from: 4},
	{name: "transaction", kind: array, from: 4, of: []field{
		{kind: group},
		{name: "topic", kind: array, of: partitionErrors},
	}},
	{name: "topic", kind: array, till: 4, of: partitionErrors},
}

var addOffsetsToTxnRequest = []field{
	{kind: subject},
	{name: "producer_id", kind: integer64},
	{name: "producer_epoch", kind: integer16},
	{kind: group},
}

// errorAlone is a response that has nothing but an error.
var errorAlone = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode},
}

var endTxnRequest = []field{
	{kind: subject},
	{name: "producer_id", kind: integer64},
	{name: "producer_epoch", kind: integer16},
	{name: "commit", kind: boolean},
}

var endTxnResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode},
	{name: "producer_id", kind: integer64, from: 5},
	{name: "producer_epoch", kind: integer16, from: 5},
}

var txnOffsetCommitRequest = []field{
	{kind: subject},
	{kind: group},
	{name: "producer_id", kind: integer64},
	{name: "producer_epoch", kind: integer16},
	{name: "generation", kind: integer32, from: 3},
	{name: "member_id", kind: text, from: 3},
	{name: "group_instance_id", kind: text, from: 3},
	{name: "topic", kind: array, of: []field{
		{kind: topic, till: 6},
		{kind: topicID, from: 6},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{name: "offset", kind: integer64},
			{name: "leader_epoch", kind: integer32, from: 2, quiet: true},
			{name: "metadata", kind: text},
		}},
	}},
}

var txnOffsetCommitResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic, till: 6},
		{kind: topicID, from: 6},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{kind: errorCode},
		}},
	}},
}

var offsetForLeaderEpochRequest = []field{
	{name: "replica_id", kind: integer32, from: 3, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{name: "current_leader_epoch", kind: integer32, from: 2, quiet: true},
			{name: "leader_epoch", kind: integer32},
		}},
	}},
}

var offsetForLeaderEpochResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 2, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: errorCode},
			{kind: partition},
			{name: "leader_epoch", kind: integer32, from: 1},
			{name: "end_offset", kind: integer64},
		}},
	}},
}

var offsetDeleteRequest = []field{
	{kind: group},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
		}},
	}},
}

var offsetDeleteResponse = []field{
	{kind: errorCode},
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "topic", kind: array, of: partitionErrors},
}

var consumerGroupHeartbeatRequest = []field{
	{kind: group},
	{name: "member_id", kind: text},
	{name: "member_epoch", kind: integer32},
	{name: "instance_id", kind: text},
	{name: "rack_id", kind: text},
	{name: "rebalance_timeout_ms", kind: integer32, quiet: true},
	{name: "subscribed", kind: listOf},
	{name: "subscribed_regex", kind: text, from: 1},
	{name: "assignor", kind: text},
	{name: "topic", kind: array, of: []field{
		{kind: topicID},
		{name: "partitions", kind: list32},
	}},
}

var consumerGroupHeartbeatResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode},
	{kind: errorText},
	{name: "member_id", kind: text},
	{name: "member_epoch", kind: integer32},
	{name: "heartbeat_interval_ms", kind: integer32},
	{name: "assignment", kind: optional, of: []field{
		{name: "topic", kind: array, of: []field{
			{kind: topicID},
			{name: "partitions", kind: list32},
		}},
	}},
}

// nextTopicPartition says where the next request goes on.
var nextTopicPartition = []field{
	{name: "topic", kind: text},
	{name: "partition", kind: integer32},
}

var describeTopicPartitionsRequest = []field{
	{name: "topic", kind: array, of: []field{
		{kind: topic},
	}},
	{name: "limit", kind: integer32},
	{name: "cursor", kind: optional, of: nextTopicPartition},
}

var describeTopicPartitionsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: errorCode},
		{kind: topic},
		{kind: topicID},
		{name: "internal", kind: boolean, quiet: true},
		{name: "partition", kind: array, of: []field{
			{kind: errorCode},
			{kind: partition},
			{name: "leader", kind: integer32},
			{name: "leader_epoch", kind: integer32, quiet: true},
			{name: "replicas", kind: list32},
			{name: "isr", kind: list32},
			{name: "eligible", kind: list32},
			{name: "last_known_eligible", kind: list32},
			{name: "offline", kind: list32},
		}},
		{kind: integer32},
	}},
	{name: "cursor", kind: optional, of: nextTopicPartition},
}
