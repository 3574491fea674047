using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;
using Xunit;

namespace Rosetta.Postgres.Tests.Destination;

/// <summary>Keeps what is parked as a store would: a position once.</summary>
public sealed class Letters : IParking
{
    readonly Dictionary<(TableName, Position), DeadLetter> _kept = [];

    public ParkingLimits Limits { get; set; } = ParkingLimits.Default;

    public bool Refuse { get; set; }

    /// <summary>Before anything is kept.</summary>
    public Func<Task> Before { get; set; } = static () => Task.CompletedTask;

    public IReadOnlyList<DeadLetter> All => [.. _kept.Values];

    public async ValueTask ParkAsync(IReadOnlyList<DeadLetter> letters, CancellationToken cancellationToken)
    {
        await Before();
        if (Refuse)
            throw new DeadLetterStoreException(new Fault(ErrorClass.Transient, "The store is away.", null));
        foreach (var letter in letters)
            _kept.TryAdd((letter.Table, letter.At), letter);
    }

    /// <summary>Applies all that is parked of a table, group by group; the failures.</summary>
    public async Task<List<RecoveryOutcome>> RecoverAsync(Replica replica, TableName table, bool isTrial = false)
    {
        var failures = new List<RecoveryOutcome>();
        foreach (var group in await replica.Session.ListParkedAsync(table, 1_000, default))
        {
            var letters = All.Where(l => l.Table == table && group.At.Contains(l.At)).OrderBy(l => l.At).ToList();
            Assert.Equal(group.At.Count, letters.Count);
            if (await replica.Session.RecoverAsync(table, letters, isTrial, default) is { IsRecovered: false } failed)
                failures.Add(failed);
        }

        return failures;
    }
}
