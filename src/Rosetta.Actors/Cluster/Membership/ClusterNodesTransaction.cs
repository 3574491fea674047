using Npgsql;

namespace Rosetta.Actors.Cluster.Membership;

/// <summary>Statements on <c>cluster_nodes</c> inside one transaction under the cluster's lock.</summary>
public sealed class ClusterNodesTransaction(NpgsqlConnection connection, NpgsqlTransaction transaction, string system)
{
    /// <summary>All rows, with ages as of now, which is after the lock was obtained.</summary>
    public async Task<IReadOnlyList<NodeRow>> ReadAsync(CancellationToken cancellation)
    {
        await using var command = Command(
            """
            SELECT address, uid, state, clock_timestamp() - heartbeat, heartbeat,
                   coalesce(founder_until > clock_timestamp(), false), downed_by
            FROM cluster_nodes WHERE system = $1 ORDER BY address
            """);
        await using var reader = await command.ExecuteReaderAsync(cancellation).ConfigureAwait(false);
        var rows = new List<NodeRow>();
        while (await reader.ReadAsync(cancellation).ConfigureAwait(false))
            rows.Add(new NodeRow(
                new NodeKey(reader.GetString(0), reader.GetInt32(1)),
                NodeStates.Parse(reader.GetString(2)),
                reader.GetTimeSpan(3),
                reader.GetFieldValue<DateTimeOffset>(4),
                reader.GetBoolean(5),
                reader.IsDBNull(6) ? null : reader.GetString(6)));
        return rows;
    }

    /// <summary>
    /// Writes the node's own row. A row of an earlier incarnation at the same address is replaced; its own row, if it is there, keeps
    /// its state (a node that was taken out stays so).
    /// </summary>
    /// <param name="founderClaim">When set, the node may found a cluster for that long.</param>
    public async Task RegisterAsync(NodeDescription node, TimeSpan? founderClaim, CancellationToken cancellation)
    {
        await using var command = Command(
            """
            INSERT INTO cluster_nodes AS n (system, address, uid, roles, version, founder_until)
            VALUES ($1, $2, $3, $4, $5, clock_timestamp() + $6)
            ON CONFLICT (system, address) DO UPDATE SET
                uid = excluded.uid, roles = excluded.roles, version = excluded.version, founder_until = excluded.founder_until,
                heartbeat = clock_timestamp(),
                state = CASE WHEN n.uid = excluded.uid THEN n.state ELSE 'starting' END,
                downed_by = CASE WHEN n.uid = excluded.uid THEN n.downed_by END,
                started_at = CASE WHEN n.uid = excluded.uid THEN n.started_at ELSE clock_timestamp() END
            """,
            new NpgsqlParameter<string> { TypedValue = node.Key.Address },
            new NpgsqlParameter<int> { TypedValue = node.Key.Uid },
            new NpgsqlParameter<string[]> { TypedValue = [.. node.Roles] },
            new NpgsqlParameter<string> { TypedValue = node.Version },
            new NpgsqlParameter { Value = founderClaim is { } claim ? claim : DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Interval });
        await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Records that nodes were taken out. An incarnation that is recorded so already, or replaced, is left as it is.</summary>
    public async Task MarkDownAsync(IEnumerable<NodeKey> nodes, string by, CancellationToken cancellation)
    {
        var list = nodes.ToList();
        if (list.Count == 0)
            return;
        await using var command = Command(
            """
            UPDATE cluster_nodes SET state = 'down', downed_by = $4, founder_until = NULL
            WHERE system = $1 AND (address, uid) IN (SELECT * FROM unnest($2, $3)) AND state <> 'down'
            """,
            new NpgsqlParameter<string[]> { TypedValue = [.. list.Select(node => node.Address)] },
            new NpgsqlParameter<int[]> { TypedValue = [.. list.Select(node => node.Uid)] },
            new NpgsqlParameter<string> { TypedValue = by });
        await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Removes rows whose nodes have been silent for longer than any of them can still come back.</summary>
    public async Task ForgetAsync(TimeSpan silentFor, CancellationToken cancellation)
    {
        await using var command = Command(
            "DELETE FROM cluster_nodes WHERE system = $1 AND heartbeat < clock_timestamp() - $2",
            new NpgsqlParameter<TimeSpan> { TypedValue = silentFor });
        await command.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
    }

    NpgsqlCommand Command(string sql, params NpgsqlParameter[] parameters)
    {
        var command = new NpgsqlCommand(sql, connection, transaction);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = system });
        command.Parameters.AddRange(parameters);
        return command;
    }
}
