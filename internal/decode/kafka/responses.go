package kafka

// The bodies of responses.

var produceResponse = []field{
	{name: "topic", kind: array, of: []field{
		{kind: topic, till: 13},
		{kind: topicID, from: 13},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{kind: errorCode},
			{name: "base_offset", kind: integer64},
			{name: "log_append_time_ms", kind: integer64, from: 2, quiet: true},
			{name: "log_start_offset", kind: integer64, from: 5, quiet: true},
			{name: "record_error", kind: array, from: 8, of: []field{
				{name: "batch_index", kind: integer32},
				{name: "message", kind: text},
			}},
			{kind: errorText, from: 8},
		}},
	}},
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
}

var fetchResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
	{kind: errorCode, from: 7},
	{name: "session_id", kind: integer32, from: 7, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic, till: 13},
		{kind: topicID, from: 13},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{kind: errorCode},
			{name: "high_watermark", kind: integer64},
			{name: "last_stable_offset", kind: integer64, from: 4, quiet: true},
			{name: "log_start_offset", kind: integer64, from: 5, quiet: true},
			{name: "aborted_transaction", kind: array, from: 4, of: []field{
				{name: "producer_id", kind: integer64},
				{name: "first_offset", kind: integer64},
			}},
			{name: "preferred_read_replica", kind: integer32, from: 11, quiet: true},
			{kind: records},
		}},
	}},
}

var listOffsetsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 2, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{kind: errorCode},
			{name: "offset", kind: array, till: 1, of: []field{
				{name: "offset", kind: integer64},
			}},
			{name: "timestamp", kind: integer64, from: 1, quiet: true},
			{name: "offset", kind: integer64, from: 1},
			{name: "leader_epoch", kind: integer32, from: 4, quiet: true},
		}},
	}},
}

var metadataResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 3, quiet: true},
	{name: "broker", kind: array, of: []field{
		{name: "node_id", kind: integer32},
		{name: "host", kind: text},
		{name: "port", kind: integer32},
		{name: "rack", kind: text, from: 1},
	}},
	{name: "cluster_id", kind: text, from: 2},
	{name: "controller_id", kind: integer32, from: 1},
	{name: "topic", kind: array, of: []field{
		{kind: errorCode},
		{kind: topic},
		{kind: topicID, from: 10},
		{name: "internal", kind: boolean, from: 1, quiet: true},
		{name: "partition", kind: array, of: []field{
			{kind: errorCode},
			{kind: partition},
			{name: "leader", kind: integer32},
			{name: "leader_epoch", kind: integer32, from: 7, quiet: true},
			{name: "replicas", kind: list32},
			{name: "isr", kind: list32},
			{name: "offline", kind: list32, from: 5},
		}},
		{kind: integer32, from: 8},
	}},
	{kind: integer32, from: 8, till: 11},
	{kind: errorCode, from: 13},
}

var offsetCommitResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 3, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic, till: 10},
		{kind: topicID, from: 10},
		{name: "partition", kind: array, of: []field{
			{kind: partition},
			{kind: errorCode},
		}},
	}},
}

var fetchedOffset = []field{
	{kind: partition},
	{name: "offset", kind: integer64},
	{name: "leader_epoch", kind: integer32, from: 5, quiet: true},
	{name: "metadata", kind: text},
	{kind: errorCode},
}

var offsetFetchResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 3, quiet: true},
	{name: "topic", kind: array, till: 8, of: []field{
		{kind: topic},
		{name: "partition", kind: array, of: fetchedOffset},
	}},
	{kind: errorCode, from: 2, till: 8},
	{name: "group", kind: array, from: 8, of: []field{
		{kind: group},
		{name: "topic", kind: array, of: []field{
			{kind: topic, till: 10},
			{kind: topicID, from: 10},
			{name: "partition", kind: array, of: fetchedOffset},
		}},
		{kind: errorCode},
	}},
}

var findCoordinatorResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
	{kind: errorCode, till: 4},
	{kind: errorText, from: 1, till: 4},
	{name: "node_id", kind: integer32, till: 4},
	{name: "host", kind: text, till: 4},
	{name: "port", kind: integer32, till: 4},
	{name: "coordinator", kind: array, from: 4, of: []field{
		{name: "key", kind: text},
		{name: "node_id", kind: integer32},
		{name: "host", kind: text},
		{name: "port", kind: integer32},
		{kind: errorCode},
		{kind: errorText},
	}},
}

var joinGroupResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 2, quiet: true},
	{kind: errorCode},
	{name: "generation", kind: integer32},
	{name: "protocol_type", kind: text, from: 7},
	{name: "protocol", kind: text},
	{name: "leader", kind: text},
	{name: "skip_assignment", kind: boolean, from: 9, quiet: true},
	{name: "member_id", kind: text},
	{name: "member", kind: array, of: []field{
		{name: "member_id", kind: text},
		{name: "group_instance_id", kind: text, from: 5},
		{name: "metadata_bytes", kind: blob},
	}},
}

var heartbeatResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
	{kind: errorCode},
}

var syncGroupResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
	{kind: errorCode},
	{name: "protocol_type", kind: text, from: 5},
	{name: "protocol", kind: text, from: 5},
	{name: "assignment_bytes", kind: blob},
}

var saslHandshakeResponse = []field{
	{kind: errorCode},
	{name: "mechanisms", kind: listOf},
}

var apiVersionsResponse = []field{
	{kind: errorCode},
	{name: "api", kind: array, of: []field{
		{kind: apiKey},
		{name: "min", kind: integer16},
		{name: "max", kind: integer16},
	}},
	{name: "throttle_time_ms", kind: integer32, from: 1, quiet: true},
}

var createTopicsResponse = []field{
	{name: "throttle_time_ms", kind: integer32, from: 2, quiet: true},
	{name: "topic", kind: array, of: []field{
		{kind: topic},
		{kind: topicID, from: 7},
		{kind: errorCode},
		{kind: errorText, from: 1},
		{name: "partitions", kind: integer32, from: 5},
		{name: "replication_factor", kind: integer16, from: 5},
		{name: "config", kind: array, from: 5, of: []field{
			{name: "name", kind: configName},
			{name: "value", kind: configValue},
			{kind: boolean},
			{kind: integer8},
			{kind: boolean},
		}},
	}},
}

var initProducerIDResponse = []field{
	{name: "throttle_time_ms", kind: integer32, quiet: true},
	{kind: errorCode},
	{name: "producer_id", kind: integer64},
	{name: "producer_epoch", kind: integer16},
}

var saslAuthenticateResponse = []field{
	{kind: errorCode},
	{kind: errorText},
	{name: "auth_bytes", kind: secretBytes},
	{name: "session_lifetime_ms", kind: integer64, from: 1, quiet: true},
}
