using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Core.DeadLetters;

/// <summary>What is parked at a destination, and how it comes back. What never parks has nothing of it to say.</summary>
public interface IParkedChanges
{
    /// <summary>Tables that have parked changes; true: all of their changes are parked.</summary>
    IReadOnlyDictionary<TableName, bool> Parked => new Dictionary<TableName, bool>();

    /// <summary>How much is parked, as it is recorded there.</summary>
    Task<ParkedCount> CountParkedAsync(CancellationToken cancellationToken) => Task.FromResult(new ParkedCount(0, null));

    /// <summary>How often chunks, copies and TRUNCATEs have taken parked changes out, whose payloads nobody will ask for.</summary>
    long Supersedings => 0;

    /// <summary>What is parked of a table, by what has to be applied together, the oldest first.</summary>
    /// <param name="most">Changes of a table that is parked whole, at most.</param>
    Task<IReadOnlyList<ParkedGroup>> ListParkedAsync(TableName table, int most, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<ParkedGroup>>([]);

    /// <summary>Those of some changes that are parked.</summary>
    Task<IReadOnlyList<Position>> FindParkedAsync(TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<Position>>([]);

    /// <summary>
    /// Applies parked changes of one table, all or none, in a transaction in which they also stop being parked. Between two groups, so that nothing of
    /// their keys comes in between.
    /// </summary>
    /// <param name="letters">Whole groups, in the order of their positions.</param>
    /// <param name="isTrial">Rolls back at the end.</param>
    Task<RecoveryOutcome> RecoverAsync(TableName table, IReadOnlyList<DeadLetter> letters, bool isTrial, CancellationToken cancellationToken) => throw new NotSupportedException("Nothing is parked here.");

    /// <summary>Takes changes out that are not to be applied any more, and their payloads' reason to be. Between two groups, as <see cref="RecoverAsync"/>.</summary>
    /// <returns>Those that were parked.</returns>
    Task<IReadOnlyList<Position>> DiscardAsync(TableName table, IReadOnlyList<Position> at, CancellationToken cancellationToken) => throw new NotSupportedException("Nothing is parked here.");

    /// <summary>Makes another payload of a parked change: with other values in its new row, which are given as text. Writes nothing.</summary>
    /// <param name="values">By column; null is SQL's NULL.</param>
    Task<EditedLetter> EditAsync(DeadLetter letter, IReadOnlyDictionary<string, string?> values, CancellationToken cancellationToken) => throw new NotSupportedException("Nothing is parked here.");

    /// <summary>The row that a parked change is about, as it is there now, in text form.</summary>
    Task<RowThere> FindRowAsync(DeadLetter letter, CancellationToken cancellationToken) => throw new NotSupportedException("Nothing is parked here.");
}

/// <summary>A parked change with another new row.</summary>
/// <param name="Letter">Null: it cannot be made.</param>
/// <param name="Problem">Why, with the server's words where it is about a value.</param>
public sealed record EditedLetter(DeadLetter? Letter, string? Problem);

/// <summary>A row of a destination.</summary>
/// <param name="Values">By column; null: there is none, or <paramref name="Problem"/> says why that is not known.</param>
public sealed record RowThere(IReadOnlyDictionary<string, string?>? Values, string? Problem);
