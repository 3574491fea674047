using System.Globalization;
using Microsoft.Extensions.Logging;
using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Pipelines;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Fencing;

/// <summary>
/// Shutting out older incarnations of a pipeline at a destination. Their sessions are ended before and after the epoch is raised: before, so that
/// one that hangs in a transaction does not keep the row locked; after, for one that came in between and would hold locks of rows. The position is
/// what the statement that raises the epoch returns: it waits for a commit under way, which a plain SELECT would not see.
/// </summary>
static partial class TakeOver
{
    /// <summary>How long a session that is told to end may take.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>The application_name of a session: its purpose tells the attachments of one pipeline apart.</summary>
    public static string NameOf(DestinationOpening opening) =>
        new SessionName(opening.Installation, opening.PipelineId, opening.Epoch, $"to-{opening.Generation.ToString("N")[..8]}").ToString();

    /// <returns>The position stored at the destination.</returns>
    /// <exception cref="FencedException">A newer epoch is there.</exception>
    /// <exception cref="FaultException">A session of our own from before goes on: the epoch does not shut it out, and what it may still commit would be applied twice.</exception>
    public static async ValueTask<Lsn> RunAsync(
        PgConnection connection, DestinationOpening opening, PositionRow row, TimeSpan patience, ILogger logger, CancellationToken cancellationToken)
    {
        await EndOlderAsync(connection, opening, patience, logger, cancellationToken);
        var taken = await connection.QueryAsync(row.TakeSql, cancellationToken);
        if (taken.Rows.Count == 0)
            throw new FencedException(connection.Endpoint.ToString(), opening.Epoch);
        await connection.QueryAsync(row.RaiseOthersSql, cancellationToken);
        await EndOlderAsync(connection, opening, patience, logger, cancellationToken);
        row.Ctid = taken.RequiredText(0, 1);
        return Lsn.Parse(taken.RequiredText(0, 0));
    }

    // With our own epoch and purpose: connections that this incarnation has given up and that the server has not noticed yet.
    static async ValueTask EndOlderAsync(PgConnection connection, DestinationOpening opening, TimeSpan patience, ILogger logger, CancellationToken cancellationToken)
    {
        var prefix = SessionName.PrefixOf(opening.Installation, opening.PipelineId);
        var own = NameOf(opening);
        var found = await connection.QueryAsync(
            $"""
            SELECT pid, application_name FROM pg_catalog.pg_stat_activity
             WHERE starts_with(application_name, {SqlIdentifier.Literal(prefix)}) AND pid <> pg_catalog.pg_backend_pid() AND datname = pg_catalog.current_database()
            """, cancellationToken);
        for (var i = 0; i < found.Rows.Count; i++)
        {
            var name = found.RequiredText(i, 1);
            if (name != own && !(SessionName.EpochOf(name, opening.Installation, opening.PipelineId) < opening.Epoch))
                continue;
            var pid = (int)found.Int64(i, 0);
            try
            {
                var ended = await connection.QueryAsync(
                    string.Create(CultureInfo.InvariantCulture, $"SELECT pg_catalog.pg_terminate_backend({pid}, {(long)patience.TotalMilliseconds})"), cancellationToken);
                var gone = ended.Text(0, 0) == "t";
                LogEnded(logger, name, pid, gone);
                if (!gone && name == own)
                {
                    throw new FaultException(new Fault(
                        ErrorClass.Transient, $"A session that this node has given up at the destination (process {pid}) does not end.",
                        "None needed if it ends; it is tried again by itself. If it does not, its server is stuck: see what the process waits for."));
                }
            }
            catch (PgServerException e) when (e.SqlState == "42501")
            {
                // Another user's session; the epoch still shuts it out, only not its row locks.
                LogNotPermitted(logger, name, pid);
            }
        }
    }

    [LoggerMessage(EventId = 2201, Level = LogLevel.Information, Message = "Ended older session {Name} (process {Pid}) at the destination: {Ended}")]
    static partial void LogEnded(ILogger logger, string name, int pid, bool ended);

    [LoggerMessage(EventId = 2202, Level = LogLevel.Warning, Message = "Older session {Name} (process {Pid}) at the destination belongs to another user and cannot be ended; grant pg_signal_backend if its locks get in the way")]
    static partial void LogNotPermitted(ILogger logger, string name, int pid);
}
