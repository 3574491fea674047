using Dapper;
using Rosetta.Store.Configuration;

namespace Rosetta.Store.Runtime;

/// <summary>
/// Issues epochs, the fencing tokens of a pipeline's incarnations. Every record of an incarnation is written only while its epoch is the newest one
/// (the writing statement locks the epoch's row in share mode): once <see cref="IssueAsync"/> has returned, no older record can appear any more.
/// </summary>
public sealed class EpochRepository(ConfigDatabase database)
{
    /// <summary>The condition of every write of an incarnation; <c>@PipelineId</c> and <c>@Epoch</c> are its parameters.</summary>
    internal const string Fence = "fence AS (SELECT FROM pipeline_epochs e WHERE e.pipeline_id = @PipelineId AND e.epoch = @Epoch FOR SHARE)";

    /// <summary>The same, and behind it every such write that was on its way has ended.</summary>
    internal const string FenceAlone = "fence AS (SELECT FROM pipeline_epochs e WHERE e.pipeline_id = @PipelineId AND e.epoch = @Epoch FOR NO KEY UPDATE)";

    /// <summary>Issues a new epoch, higher than every one before.</summary>
    /// <param name="node">Whom it is issued to; for the operator only.</param>
    /// <returns>Null when there is no such pipeline (any more).</returns>
    /// <exception cref="ConfigDatabaseUnavailableException">The config database is away; whether one was issued does not matter.</exception>
    public Task<long?> IssueAsync(long pipelineId, string? node, CancellationToken cancellationToken) =>
        database.WriteAsync(
            connection => connection.QuerySingleOrDefaultAsync<long?>(new CommandDefinition(
                """
                INSERT INTO pipeline_epochs AS e (pipeline_id, epoch, node)
                SELECT id, 1, @node FROM pipelines WHERE id = @pipelineId
                ON CONFLICT (pipeline_id) DO UPDATE SET epoch = e.epoch + 1, node = excluded.node, issued_at = clock_timestamp()
                RETURNING epoch
                """,
                new { pipelineId, node }, cancellationToken: cancellationToken)),
            cancellationToken);
}
