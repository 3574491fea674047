using Rosetta.Core.Chunks;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Core.Destinations;

/// <summary>A place changes are applied to. Holds configuration only; connections belong to the session.</summary>
public interface IDestination
{
    /// <summary>
    /// Takes over: shuts out older incarnations (epoch), waits for what they are committing, and reads position and table states.
    /// </summary>
    /// <exception cref="Errors.FencedException">A newer epoch was there.</exception>
    Task<IDestinationSession> OpenAsync(DestinationOpening opening, CancellationToken cancellationToken);
}

/// <summary>Who opens a destination, and for what.</summary>
/// <param name="Installation">UUID of the installation, from its config database.</param>
/// <param name="PipelineId">The pipeline within it.</param>
/// <param name="Generation">New for each attachment of a destination to a pipeline; position and states belong to it.</param>
/// <param name="Epoch">Fencing token, issued by the config database; only grows.</param>
/// <param name="StartPosition">Position of a generation that the destination does not know yet.</param>
/// <param name="Source">Answers what only the source's catalog knows.</param>
public sealed record DestinationOpening(
    Guid Installation, long PipelineId, Guid Generation, long Epoch, Lsn StartPosition, ISourceSchema Source)
{
    /// <summary>The destination as the pipeline's configuration names it: it stays when the generation is renewed, and tells two attachments to one database apart.</summary>
    public long DestinationId { get; init; }

    /// <summary>Tables of which nothing else is said get indexes and constraints of the source's after their copy, while they stream.</summary>
    public bool WithIndexes { get; init; }

    /// <summary>
    /// Awaited when the destination has been reached and is ready to be taken over, and before anything of the pipeline is read or written there: answers the position that
    /// counts instead of <see cref="StartPosition"/>. What it throws ends the opening. Null: nothing is waited for.
    /// </summary>
    public Func<CancellationToken, Task<Lsn>>? StartsAt { get; init; }

    /// <summary>Takes changes that cannot be applied; null: such a change stops its table.</summary>
    public IParking? Parking { get; init; }

    /// <summary>Knows the attachments of this installation; null: whoever claims a table counts as being there.</summary>
    public IAttachments? Attachments { get; init; }
}

/// <summary>Which destinations which pipelines of the installation have.</summary>
public interface IAttachments
{
    /// <summary>The pipeline exists and has this destination; also when that cannot be found out now.</summary>
    Task<bool> MayExistAsync(long pipelineId, long destinationId, CancellationToken cancellationToken);
}

/// <summary>What a destination asks of the source's catalog while it applies: by connections of its own, off the data path.</summary>
public interface ISourceSchema
{
    /// <summary>The table as it is now; null when it is gone.</summary>
    Task<TableDescription?> DescribeAsync(TableName table, CancellationToken cancellationToken);
}

/// <summary>
/// One incarnation's hold on a destination. <see cref="ApplyAsync"/> is called by one pump; copies run beside it. BEGIN, COMMIT, fence and
/// table states are inside each call; no caller sees a transaction. Every commit is conditional on the epoch.
/// </summary>
public interface IDestinationSession : IParkedChanges, IAsyncDisposable
{
    /// <summary>Exclusive: every transaction with a commit LSN below it is durable here.</summary>
    Lsn Position { get; }

    /// <summary>What it works with has broken: nothing more can be done in it, it has to be opened anew.</summary>
    bool IsCutOff => false;

    /// <summary>Table states as the destination stores them, by source table. A snapshot; changes with each call.</summary>
    IReadOnlyDictionary<TableName, DestinationTable> Tables { get; }

    /// <summary>
    /// Which source tables go where from now on; a table that is absent is not replicated. Called before the first apply and between applies.
    /// </summary>
    void Route(IReadOnlyDictionary<TableName, TableRoute> routes);

    /// <summary>
    /// Applies a group in order. Transactions with a commit LSN below <see cref="Position"/>, changes of tables that do not stream (no copy yet,
    /// stopped) and changes older than a table's <see cref="DestinationTable.Since"/> are skipped. When the group ends inside a transaction the
    /// destination's transaction stays open and the next call goes on in it. A change that cannot be applied stops its table, the rest is applied.
    /// On an exception nothing of the group, nor of the transaction that was open, is applied; after it call <see cref="RollbackAsync"/> or dispose.
    /// </summary>
    ValueTask<ApplyResult> ApplyAsync(ApplyGroup group, CancellationToken cancellationToken);

    /// <summary>Ends an open transaction without a trace, so that the group can be read again from <see cref="Position"/>.</summary>
    ValueTask RollbackAsync(CancellationToken cancellationToken);

    /// <summary>
    /// Copies a table: creates it when missing, refuses one with rows unless told to empty it, loads <paramref name="source"/>, and stores
    /// since and state, all in one transaction: a cut copy leaves nothing.
    /// </summary>
    /// <exception cref="Errors.FaultException">The target has rows, does not fit, or belongs to another table or pipeline: the fault says what to do.</exception>
    Task<CopyOutcome> CopyTableAsync(TableCopy copy, ICopySource source, CancellationToken cancellationToken);

    /// <summary>Tables with rows that have to be read again at the source (<see cref="ChunkPurpose.Keys"/>), because an update that left out unchanged values did not find them.</summary>
    IReadOnlySet<TableName> Pending => new HashSet<TableName>();

    /// <summary>The transactions applied lately, for the placing of chunks.</summary>
    StreamedTransactions Streamed { get; }

    /// <summary>
    /// Begins, or goes on with, the copy of a table by chunks while its changes are applied. Makes the target when it is missing.
    /// </summary>
    /// <returns>Null: this table cannot be copied like that (no key, triggers or foreign keys that act); <see cref="CopyTableAsync"/> does it.</returns>
    /// <exception cref="Errors.FaultException">The target has rows, does not fit, or belongs to another table or pipeline.</exception>
    Task<ITableChunks?> OpenChunksAsync(ChunkedCopy copy, CancellationToken cancellationToken);

    /// <summary>Makes ready to compare a table that streams as a whole: one that <see cref="OpenChunksAsync"/> cannot take.</summary>
    /// <param name="form">From <see cref="IChunkSource.DescribeDigestAsync"/>.</param>
    /// <returns>Null: its rows here cannot be compared so with the source's.</returns>
    /// <exception cref="Errors.FaultException">It does not stream at the moment, or is missing.</exception>
    Task<IWholeDigest?> OpenWholeAsync(ChunkedCopy copy, string form, CancellationToken cancellationToken);

    /// <summary>Records that a table starts without a copy (<c>snapshot: none</c>): it streams from the since of <paramref name="table"/> on.</summary>
    Task AdoptTableAsync(TableCopy table, CancellationToken cancellationToken);

    /// <summary>Makes indexes, constraints and comments of a table that streams, beside the stream; what is there stays.</summary>
    /// <returns>What could not be made.</returns>
    Task<IReadOnlyList<MissingExtra>> MakeExtrasAsync(TableExtras extras, CancellationToken cancellationToken);

    /// <summary>Records that this was done: it is not done again before the next copy, or <see cref="LackExtrasAsync"/>.</summary>
    Task FinishExtrasAsync(TableName source, IReadOnlyList<MissingExtra> missing, CancellationToken cancellationToken);

    /// <summary>Records that nobody wants it of these tables, so that it is done when somebody does.</summary>
    Task LackExtrasAsync(IReadOnlyList<TableName> sources, CancellationToken cancellationToken);

    /// <summary>Records that a table stopped and why.</summary>
    Task StopTableAsync(TableName table, TableStop stop, CancellationToken cancellationToken);

    /// <summary>Forgets a table's state: it is no longer chosen, or is to be copied again.</summary>
    Task ForgetTableAsync(TableName table, CancellationToken cancellationToken);

    /// <summary>
    /// Stores <paramref name="position"/> without any change: nothing before it concerns this destination. Only moves forward.
    /// </summary>
    Task AdvanceAsync(Lsn position, CancellationToken cancellationToken);

    /// <summary>Removes everything that this generation stored about itself; target tables stay.</summary>
    Task RemoveAsync(CancellationToken cancellationToken);
}
