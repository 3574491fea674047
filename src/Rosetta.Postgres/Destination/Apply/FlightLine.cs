using Rosetta.Core.Errors;
using Rosetta.Postgres.Destination.Fold;
using Rosetta.Postgres.Destination.Plans;
using Rosetta.Postgres.Destination.Statements;
using Rosetta.Postgres.Wire;

namespace Rosetta.Postgres.Destination.Apply;

/// <summary>
/// Two flights on one connection: while one is under way the next is filled, so that encoding overlaps with the server's work and neither
/// holds more than about <see cref="SendBytes"/>, whatever the group's size.
/// </summary>
sealed class FlightLine(PgConnection connection) : IDisposable
{
    const int SendBytes = 1 << 20;
    const string InFailedTransaction = "25P02";

    /// <summary>Of a statement that goes on: a parameter has not the length that its column's type has.</summary>
    const string ProtocolViolation = "08P01";

    Flight _filling = new(connection);
    Flight _other = new(connection);
    Task<PgPipelineResults>? _underWay;

    /// <summary>The flight that takes operations. Another one after each send.</summary>
    public Flight Filling => _filling;

    public bool IsFull => _filling.Bytes >= SendBytes;

    /// <summary>
    /// The number of the run that is being filled, where several may be under way at once and one of them may fail: it is in every step, and in every staged
    /// row. 0 where a group is applied as a whole.
    /// </summary>
    public int Run
    {
        get => _filling.Run;
        set => _filling.Run = _other.Run = value;
    }

    /// <summary>Rows that were not as expected, by run, since <see cref="AbandonAsync"/> or the last <see cref="Settled"/>; they are in the plans' counts already.</summary>
    public List<(TablePlan Plan, int Run, long Rows)> Divergences { get; } = [];

    /// <summary>Updates did not find their rows; what is to be done about that comes after them, and before anything else of their keys.</summary>
    public bool HasMissed => MissedRows.Count + MissedStages.Count + MissedPartials.Count + MissedPartialStages.Count > 0;

    /// <summary>Whole rows that an update did not find.</summary>
    public List<(TablePlan Plan, RowRef Row)> MissedRows { get; } = [];

    /// <summary>Tables of which staged whole rows were not found.</summary>
    public List<TablePlan> MissedStages { get; } = [];

    /// <summary>Rows that an update without all of their values did not find.</summary>
    public List<(TablePlan Plan, RowRef Row)> MissedPartials { get; } = [];

    /// <summary>The same of staged rows, by shape.</summary>
    public List<(TablePlan Plan, int Shape)> MissedPartialStages { get; } = [];

    /// <summary>
    /// Set: changes and parts that fail are gathered here, instead of the first one ending all. Whoever fills the line has to <see cref="BeginSeparating"/> and to <see cref="Separate"/> them.
    /// </summary>
    public List<ApplyFailure>? Failures { get; set; }

    /// <summary>Before the first of what is to be separated.</summary>
    public void BeginSeparating() => _filling.Query("SAVEPOINT rosetta_one", default);

    /// <summary>
    /// What comes next stands on what is right so far, in the same round trip: after something that succeeded the savepoint is set anew and going back to it
    /// undoes nothing; after something that failed it cannot be set, and going back to the one before undoes that.
    /// </summary>
    public void Separate()
    {
        _filling.Query("RELEASE SAVEPOINT rosetta_one; SAVEPOINT rosetta_one", default);
        _filling.Query("ROLLBACK TO SAVEPOINT rosetta_one", default);
    }

    /// <summary>Updates of several rows did not find all of them.</summary>
    public bool IsShort { get; set; }

    /// <summary>Queues a statement over staged rows.</summary>
    public void ExecuteStaged(PreparedSql statement, Step step)
    {
        var bind = _filling.Execute(statement, Run > 0 ? 1 : 0, step);
        if (Run > 0)
            bind.WriteInt32(Run);
        bind.Complete();
    }

    /// <summary>What was found of what was under way is of no use: it is taken back.</summary>
    public void Forget()
    {
        Divergences.Clear();
        IsShort = false;
        MissedRows.Clear();
        MissedStages.Clear();
        MissedPartials.Clear();
        MissedPartialStages.Clear();
    }

    /// <summary>What was under way is not taken back any more.</summary>
    public void Settled()
    {
        Failures = null;
        Divergences.Clear();
    }

    /// <summary>Sends what was filled, once the flight before has been answered.</summary>
    /// <exception cref="ApplyFailure">An operation about a table failed in a way that is that table's own.</exception>
    /// <exception cref="PgException">Anything else.</exception>
    public async ValueTask SendAsync(CancellationToken cancellationToken)
    {
        await SettleAsync();
        if (_filling.IsEmpty)
            return;
        _underWay = _filling.RunAsync(cancellationToken);
        (_filling, _other) = (_other, _filling);
    }

    /// <summary>Sends what was filled and waits until all is answered: the connection is free then.</summary>
    /// <inheritdoc cref="SendAsync"/>
    public async ValueTask DrainAsync(CancellationToken cancellationToken)
    {
        await SendAsync(cancellationToken);
        await SettleAsync();
    }

    /// <summary>Waits for what is under way, whatever comes of it, and forgets everything queued.</summary>
    public async ValueTask AbandonAsync()
    {
        if (_underWay is { } task)
        {
            _underWay = null;
            await task.ContinueWith(static t => _ = t.Exception, CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        Failures = null;
        Forget();
        _filling.Clear();
        _other.Clear();
    }

    async ValueTask SettleAsync()
    {
        if (_underWay is not { } task)
            return;
        _underWay = null;
        var results = await task;
        Evaluate(_other, results);
        _other.Clear();
    }

    void Evaluate(Flight flight, PgPipelineResults results)
    {
        var failed = Failures is null ? results.FirstFailed : -1;
        foreach (var step in flight.Steps)
        {
            if (step.Operation == failed)
                throw Failure(step, results[failed].Error!);
            if (Failures is { } failures && results[step.Operation].Error is { } error)
            {
                // What follows a failure until the next savepoint fails with it.
                if (results[step.Operation].IsSkipped || error.SqlState == InFailedTransaction)
                    continue;
                if (Failure(step, error) is not ApplyFailure found || (found is { At: null, Part: 0 }))
                    throw Failure(step, error);
                failures.Add(found);
                continue;
            }

            if (failed >= 0 || step.Kind == StepKind.Plain || step.Plan is not { } plan)
                continue;
            var count = results[step.Operation].RowCount;
            switch (step.Kind)
            {
                case StepKind.InsertMissing:
                    Diverged(step, count);
                    break;
                case StepKind.UpdatePart:
                    IsShort |= count < step.Expected;
                    break;
                case StepKind.Delete when count < step.Expected:
                    Diverged(step, step.Expected - count);
                    break;
                case StepKind.UpdateFull when count == 0:
                    Diverged(step, 1);
                    MissedRows.Add((plan, step.Row));
                    break;
                case StepKind.UpdateStaged when count < step.Expected:
                    Diverged(step, step.Expected - count);
                    MissedStages.Add(plan);
                    break;
                case StepKind.UpdatePartial when count == 0 && plan.CanReadAgain:
                    Diverged(step, 1);
                    MissedPartials.Add((plan, step.Row));
                    break;
                case StepKind.UpdateStagedPartial when count < step.Expected && plan.CanReadAgain:
                    Diverged(step, step.Expected - count);
                    MissedPartialStages.Add((plan, step.Shape));
                    break;
                // Its row may be missing because a change that made it has just failed.
                case StepKind.UpdatePartial or StepKind.UpdateStagedPartial when count < step.Expected && Failures is not { Count: > 0 }:
                    throw new ApplyFailure(
                        plan, "An update that leaves out unchanged values (TOAST) found no row at the destination, so the row cannot be made.")
                    {
                        At = step.At,
                        Row = step.Row,
                    };
            }
        }
    }

    void Diverged(in Step step, long rows)
    {
        // Of a table that is being copied, and behind a filter that does not see the old row, nobody knows which rows are here.
        if (rows == 0 || step.Plan is not { MayMiss: false, IsCopying: false } plan)
            return;
        plan.Counts += new Core.Destinations.RowCounts(0, 0, 0, Divergences: rows);
        Divergences.Add((plan, step.Run, rows));
    }

    static Exception Failure(in Step step, PgServerException error) =>
        step.Plan is { } plan && IsOfTable(error)
            ? new ApplyFailure(plan, error.Error.Text, error) { At = step.At, Row = step.Row, Run = step.Run, Part = step.Part }
            : new PgServerException(error.Error, error);

    /// <summary>The data or the table is wrong, not the connection, the server or our privileges as a whole.</summary>
    public static bool IsOfTable(PgServerException error) =>
        !error.IsFatal && (error.SqlState == ProtocolViolation || ErrorPolicy.Classify(error.SqlState) is ErrorClass.Data or ErrorClass.Table);

    public void Dispose()
    {
        _filling.Dispose();
        _other.Dispose();
    }
}
