using System.Globalization;
using Npgsql;
using Rosetta.Core.Errors;
using Rosetta.Core.Spill;
using Rosetta.Store.Configuration;
using Rosetta.Store.DeadLetters;

namespace Rosetta.Store.Spill;

/// <summary>Why a spill log in the config database cannot be written or read, with what mends it.</summary>
static class SpillFaults
{
    /// <param name="bytes">That the log is known to have there.</param>
    /// <exception cref="SpillStoreException">The config database could not do it.</exception>
    public static async Task<T> GuardAsync<T>(string where, long bytes, Func<Task<T>> work)
    {
        try
        {
            return await work().ConfigureAwait(false);
        }
        catch (ConfigDatabaseUnavailableException e)
        {
            throw new SpillStoreException(OfServer(where, bytes, e.Message, (e.InnerException as PostgresException)?.SqlState), e);
        }
        catch (PostgresException e) when (ConfigStoreFaults.IsOfResources(e))
        {
            throw new SpillStoreException(OfServer(where, bytes, $"The config database ({where}) cannot take or give spilled changes: {e.MessageText}", e.SqlState), e);
        }
    }

    static Fault OfServer(string where, long bytes, string reason, string? sqlState) => ConfigStoreFaults.ToFault(
        where, reason, sqlState,
        $"""
        the changes that a destination has not taken yet are kept there (table spill_parts, {Size(bytes)} of this destination's). Bring the destination back, lower the budget of its spill log, or move the config database to a larger disk
        """,
        "Until then nothing more is spilled, and the slot keeps what is not.");

    static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1048576.0:0.#} MB");

    public static Fault TooLarge(long bytes, long limit) => new(
        ErrorClass.Operator, $"A part of a spill log takes {Size(bytes)}, compressed, and the config database takes {Size(limit)} at most: one row is too large to be spilled.",
        "Bring the destination back: the slot keeps the changes until it has them.");

    public static Fault NotOpen(string? abandoned) => abandoned is null
        ? new(ErrorClass.Transient, "The spill log was opened again, or taken away, since this was sent.", null)
        : new(ErrorClass.Operator, $"The spill log was given up: {abandoned}", "Resync the destination: it lacks changes.");

    public static Fault NotAttached(SpillLog log) => new(
        ErrorClass.Transient, $"Destination {log.DestinationId} is not attached to pipeline {log.PipelineId} any more as it was (generation {log.Generation}).", null);

    public static Fault Hole(string where, SpillLog log, long sequence) => new(
        ErrorClass.Operator,
        $"Part {sequence} of the spill log of destination {log.DestinationId} is not in the config database ({where}): somebody deleted rows of its table spill_parts, or it was restored in part.",
        $"Bring the rows back. If they are lost for good, let the log go, after which the destination is seen to lack changes: DELETE FROM spill_logs WHERE {Key(log)};");

    public static Fault Damaged(string where, SpillLog log, long sequence, string how) => new(
        ErrorClass.Operator, $"Part {sequence} of the spill log of destination {log.DestinationId} in the config database ({where}) is damaged: {how}.",
        $"Look into the disk of the config database's server. If the part is lost for good, let the log go, after which the destination is seen to lack changes: DELETE FROM spill_logs WHERE {Key(log)};");

    public static Fault Newer(SpillLog log, long sequence, string how) => new(
        ErrorClass.Operator, $"Part {sequence} of the spill log of destination {log.DestinationId} was written by a newer version: {how}.",
        "Run the newer version on every node until the spill log is drained.");

    static string Key(SpillLog log) => $"pipeline_id = {log.PipelineId} AND destination_id = {log.DestinationId}";
}
