using Npgsql;
using Rosetta.Core.Errors;
using Rosetta.Store.Runtime;

namespace Rosetta.Store.Spill;

/// <content>What nobody can use any more goes, some at a time.</content>
public sealed partial class ConfigSpillStore
{
    /// <summary>Of the pipeline; or of one that is gone, whose number does not come again.</summary>
    const string IsOurs = "(l.pipeline_id = @PipelineId OR NOT EXISTS (SELECT FROM pipelines x WHERE x.id = l.pipeline_id))";

    /// <summary>A generation does not come again.</summary>
    const string IsOrphan =
        $"""
        {IsOurs} AND NOT EXISTS (
            SELECT FROM pipeline_destinations d WHERE d.pipeline_id = l.pipeline_id AND d.destination_id = l.destination_id AND d.generation = l.generation)
        """;

    /// <summary>Nothing is added any more to what is put outside: whoever had opened it finds it opened again. Empty ones go.</summary>
    const string ForgetSql =
        $"""
        UPDATE spill_logs l SET
            opening = l.opening + 1, from_lsn = l.through_lsn, first_part = l.last_part + 1, whole_part = l.last_part, transactions = 0, bytes = 0, raw_bytes = 0
        WHERE {IsOrphan} AND NOT ({IsEmpty});
        DELETE FROM spill_logs l WHERE {IsOrphan} AND {IsEmpty} AND NOT EXISTS (
            SELECT FROM spill_parts p WHERE p.pipeline_id = l.pipeline_id AND p.destination_id = l.destination_id)
        """;

    /// <summary>A part outside of its log stays so, however old the snapshot is that shows it. One that another sweep has in hand is left to that.</summary>
    const string LeftoversSql =
        $"""
        WITH {EpochRepository.Fence}, gone AS (
            SELECT p.pipeline_id, p.destination_id, p.sequence
            FROM fence, spill_logs l JOIN spill_parts p ON p.pipeline_id = l.pipeline_id AND p.destination_id = l.destination_id
            WHERE {IsOurs} AND (p.sequence < l.first_part OR p.sequence > l.last_part) LIMIT @Limit FOR UPDATE OF p SKIP LOCKED),
        removed AS (
            DELETE FROM spill_parts p USING gone
            WHERE p.pipeline_id = gone.pipeline_id AND p.destination_id = gone.destination_id AND p.sequence = gone.sequence RETURNING p.sequence)
        SELECT (SELECT count(*) FROM removed), EXISTS (SELECT FROM fence)
        """;

    public async Task<long> RemoveLeftoversAsync(long pipelineId, long epoch, CancellationToken cancellationToken)
    {
        for (var all = 0L; ;)
        {
            await GuardAsync(() => ForgetAsync(pipelineId, epoch, cancellationToken)).ConfigureAwait(false);
            var before = all;
            while (await GuardAsync(() => RemoveSliceAsync(pipelineId, epoch, cancellationToken)).ConfigureAwait(false) is var some and > 0) all += some;
            // Once more, for the logs that have become empty.
            if (all == before) return all;
        }
    }

    /// <summary>With all other writes of the pipeline shut out: a log that is opened, or given up, meanwhile is not taken for an old one.</summary>
    Task<int> ForgetAsync(long pipelineId, long epoch, CancellationToken cancellationToken) => database.TransactAsync(
        async (connection, _) =>
        {
            await ShutOutAsync(connection, pipelineId, epoch, cancellationToken).ConfigureAwait(false);
            await using var forget = Command(connection, ForgetSql, pipelineId);
            return await forget.ExecuteNonQueryAsync(cancellationToken).ConfigureAwait(false);
        },
        cancellationToken);

    Task<long> RemoveSliceAsync(long pipelineId, long epoch, CancellationToken cancellationToken) => database.WriteAsync(
        async connection =>
        {
            await using var command = Command(connection, LeftoversSql, pipelineId, new NpgsqlParameter<long>("Epoch", epoch), new NpgsqlParameter<int>("Limit", Slice));
            await using var answer = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await answer.ReadAsync(cancellationToken).ConfigureAwait(false);
            return answer.GetBoolean(1) ? answer.GetInt64(0) : throw new FencedException("the config database", epoch);
        },
        cancellationToken);

    Task<T> GuardAsync<T>(Func<Task<T>> work) => SpillFaults.GuardAsync(database.Where, 0, work);
}
