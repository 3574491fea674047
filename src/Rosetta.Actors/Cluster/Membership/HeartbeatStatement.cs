using Npgsql;

namespace Rosetta.Actors.Cluster.Membership;

/// <summary>One heartbeat: refreshes the node's own row and tells what became of it. Synchronous, for the heartbeat's own thread.</summary>
sealed class HeartbeatStatement(string system, NodeDescription node)
{
    /// <summary>Seconds. A heartbeat that takes longer counts as missed.</summary>
    const int TimeoutSeconds = 2;

    public HeartbeatVerdict Execute(NpgsqlConnection connection, NodeState state)
    {
        using var update = new NpgsqlCommand(
            """
            UPDATE cluster_nodes SET heartbeat = clock_timestamp(),
                state = CASE WHEN state = 'down' THEN state ELSE $4 END,
                founder_until = CASE WHEN $4 = 'starting' THEN founder_until END
            WHERE system = $1 AND address = $2 AND uid = $3
            RETURNING state
            """,
            connection)
        { CommandTimeout = TimeoutSeconds };
        AddKey(update);
        update.Parameters.Add(new NpgsqlParameter<string> { TypedValue = state.ToText() });
        if (update.ExecuteScalar() is string stored)
            return NodeStates.Parse(stored) == NodeState.Down ? HeartbeatVerdict.TakenOut : HeartbeatVerdict.Alive;

        // The row is gone (someone emptied the table) or belongs to another incarnation. Never write over the latter.
        using var insert = new NpgsqlCommand(
            """
            INSERT INTO cluster_nodes (system, address, uid, state, roles, version) VALUES ($1, $2, $3, $4, $5, $6)
            ON CONFLICT (system, address) DO NOTHING
            """,
            connection)
        { CommandTimeout = TimeoutSeconds };
        AddKey(insert);
        insert.Parameters.Add(new NpgsqlParameter<string> { TypedValue = state.ToText() });
        insert.Parameters.Add(new NpgsqlParameter<string[]> { TypedValue = [.. node.Roles] });
        insert.Parameters.Add(new NpgsqlParameter<string> { TypedValue = node.Version });
        return insert.ExecuteNonQuery() == 1 ? HeartbeatVerdict.Alive : HeartbeatVerdict.Replaced;
    }

    /// <summary>Removes the node's row when it has left. The record that it was taken out stays.</summary>
    public void Delete(NpgsqlConnection connection)
    {
        using var delete = new NpgsqlCommand(
            "DELETE FROM cluster_nodes WHERE system = $1 AND address = $2 AND uid = $3 AND state <> 'down'", connection)
        { CommandTimeout = TimeoutSeconds };
        AddKey(delete);
        delete.ExecuteNonQuery();
    }

    void AddKey(NpgsqlCommand command)
    {
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = system });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = node.Key.Address });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = node.Key.Uid });
    }
}
