using Rosetta.Core.Destinations;
using Rosetta.Core.Errors;
using Rosetta.Core.Failpoints;
using Rosetta.Core.Tables;

namespace Rosetta.Actors.Destinations;

/// <summary>
/// Gives tables of which it is wanted, and that have their rows, the indexes, constraints and comments of the source's, several at once, beside the stream. What is
/// made already is found by its name, so that it goes on after any end. Lives as long as the destination's session.
/// </summary>
sealed class TableFinisher(LaneContext context, IDestinationSession session, TimeProvider time) : IAsyncDisposable
{
    static readonly TimeSpan Look = TimeSpan.FromSeconds(1);
    static readonly TimeSpan Again = TimeSpan.FromSeconds(15);

    readonly CancellationTokenSource _stop = new();
    readonly Dictionary<TableName, Made> _made = [];
    Task _running = Task.CompletedTask;
    volatile HashSet<TableName> _wanted = [];

    sealed record Made(TableExtras Extras, IReadOnlyList<MissingExtra> Missing);

    public void Start() => _running = Task.Run(RunAsync, CancellationToken.None);

    /// <summary>
    /// Which tables get them from now on. Called when the session has the routes: changes are applied to a table as to one with unique indexes before these come.
    /// </summary>
    public async Task FollowAsync(IReadOnlyDictionary<TableName, TableRoute> routes, CancellationToken cancellationToken)
    {
        _wanted = routes.Values.Where(r => r.WantsExtras(context.Opening.WithIndexes)).Select(r => r.Source).ToHashSet();
        var unwanted = session.Tables.Values.Where(t => t is { Streams: true, Copying: null, LacksExtras: false } && routes.ContainsKey(t.Source) && !_wanted.Contains(t.Source)).Select(t => t.Source).ToList();
        if (unwanted.Count > 0)
            await session.LackExtrasAsync(unwanted, cancellationToken).ConfigureAwait(false);
    }

    async Task RunAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            var pause = Look;
            try
            {
                await FinishAsync(_stop.Token).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                // The lane finds out by itself when its destination is away; a lock that could not be had is tried again.
                var fault = ErrorPolicy.ToFault(e);
                foreach (var table in Waiting())
                    Show(table.Source, $"Its indexes and constraints could not be made yet: {fault.Reason}", "None needed; it is tried again by itself.");
                pause = Again;
            }

            await Task.Delay(pause, time, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    List<PlannedTable> Waiting()
    {
        if (_wanted is not { Count: > 0 } wanted || context.Plans[context.DestinationId] is not { } plan)
            return [];
        return [.. plan.Tables.Where(t => t.Route is not null && wanted.Contains(t.Source) && session.Tables.GetValueOrDefault(t.Source) is { LacksExtras: true } known && IsThere(known))];
    }

    /// <summary>It has all rows of its copy, and every change since.</summary>
    bool IsThere(DestinationTable table) => table is { Streams: true, Copying: null, Since: { } since } && context.Lane.Passed >= since;

    async Task FinishAsync(CancellationToken cancellationToken)
    {
        var waiting = Waiting();
        foreach (var table in _made.Keys.Except(waiting.Select(t => t.Source)).ToList())
            _made.Remove(table);
        if (waiting.Count == 0)
            return;
        var targets = context.Plans[context.DestinationId]!.Tables.Where(t => t.Route is not null).ToDictionary(t => t.Source, t => t.Route!.Target);
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = Math.Clamp(context.Readers, 1, Environment.ProcessorCount), CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(waiting.Where(t => !_made.ContainsKey(t.Source)).ToList(), parallel, async (table, token) =>
        {
            var extras = new TableExtras(table.Route!, await context.Source.ReadExtrasAsync(table.Source, token).ConfigureAwait(false), table.Route!.Transform is not null, targets);
            var missing = await session.MakeExtrasAsync(Only(extras, foreignKeys: false), token).ConfigureAwait(false);
            lock (_made)
                _made[table.Source] = new Made(extras, missing);
        }).ConfigureAwait(false);
        // Tables agree with each other once all of them stream, and a foreign key needs the other's unique constraint.
        if (session.Tables.Values.Any(t => t.Stop is null && !IsThere(t)))
            return;
        foreach (var table in waiting)
        {
            var made = _made[table.Source];
            var keys = await session.MakeExtrasAsync(Only(made.Extras with { Targets = targets }, foreignKeys: true), cancellationToken).ConfigureAwait(false);
            List<MissingExtra> missing = [.. made.Missing, .. keys];
            Failpoint.Hit(FailpointNames.ExtrasBeforeRecord);
            await session.FinishExtrasAsync(table.Source, missing, cancellationToken).ConfigureAwait(false);
            _made.Remove(table.Source);
            Show(table.Source, missing.Count == 0 ? null : string.Join(" ", missing.Select(m => m.Reason)), missing.Count == 0 ? table.Remedy : string.Join(" ", missing.Select(m => m.Remedy)));
        }
    }

    static TableExtras Only(TableExtras extras, bool foreignKeys) =>
        extras with { Extras = [.. extras.Extras.Where(e => e.Kind == TableExtraKind.ForeignKey == foreignKeys)] };

    void Show(TableName table, string? error, string? remedy) =>
        context.Status.Change(table, t => t.State == TableState.Error ? t : t with { Error = error, Remedy = remedy });

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(false);
        _stop.Dispose();
    }
}
