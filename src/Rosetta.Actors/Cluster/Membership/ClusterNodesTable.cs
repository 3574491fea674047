using Npgsql;

namespace Rosetta.Actors.Cluster.Membership;

/// <summary>
/// Table <c>cluster_nodes</c> of the config database. Whoever decides something for the cluster does so inside
/// <see cref="UnderLockAsync{T}"/>, so decisions of different nodes come one after the other.
/// </summary>
/// <param name="dataSource">The config database. Not owned.</param>
/// <param name="system">Name of the actor system: clusters of different names may share a database.</param>
public sealed class ClusterNodesTable(NpgsqlDataSource dataSource, string system)
{
    /// <summary>How long a claim to found the cluster holds without being renewed.</summary>
    public static readonly TimeSpan FounderClaimHolds = TimeSpan.FromSeconds(60);

    /// <summary>Name of the actor system whose rows are meant.</summary>
    public string System { get; } = system;

    /// <summary>
    /// Runs one decision in a transaction under the lock of this cluster. The server ends the transaction of a node that freezes in the
    /// middle of it, so a frozen node cannot hold up the others.
    /// </summary>
    /// <exception cref="NpgsqlException">The config database is away, or did not answer in time. Nothing was decided.</exception>
    public async Task<T> UnderLockAsync<T>(Func<ClusterNodesTransaction, CancellationToken, Task<T>> decide, CancellationToken cancellation)
    {
        await using var connection = await dataSource.OpenConnectionAsync(cancellation).ConfigureAwait(false);
        await using var transaction = await connection.BeginTransactionAsync(cancellation).ConfigureAwait(false);
        await using var batch = new NpgsqlBatch(connection, transaction)
        {
            BatchCommands =
            {
                new NpgsqlBatchCommand("SET LOCAL idle_in_transaction_session_timeout = '3s'"),
                new NpgsqlBatchCommand("SET LOCAL statement_timeout = '5s'"),
                new NpgsqlBatchCommand("SELECT pg_advisory_xact_lock(hashtextextended('rosetta.cluster_nodes.' || $1, 0))")
                {
                    Parameters = { new NpgsqlParameter<string> { TypedValue = System } },
                },
            },
        };
        await batch.ExecuteNonQueryAsync(cancellation).ConfigureAwait(false);
        var result = await decide(new ClusterNodesTransaction(connection, transaction, System), cancellation).ConfigureAwait(false);
        await transaction.CommitAsync(cancellation).ConfigureAwait(false);
        return result;
    }

    /// <summary>
    /// Opens a connection for the heartbeat alone, outside the pool's traffic. Blocks the calling thread, which is the heartbeat's own: a
    /// thread pool that is busy does not delay it.
    /// </summary>
    public NpgsqlConnection OpenForHeartbeat() => dataSource.OpenConnection();
}
