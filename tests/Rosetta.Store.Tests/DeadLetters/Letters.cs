using Rosetta.Core.Changes;
using Rosetta.Core.DeadLetters;
using Rosetta.Core.Errors;
using Rosetta.Core.Positions;
using Rosetta.Core.Tables;

namespace Rosetta.Store.Tests.DeadLetters;

/// <summary>Entries by number.</summary>
static class Letters
{
    public static readonly TableName Table = new("public", "t");

    public static Position At(int number) => new(new Lsn((ulong)number), 0);

    public static DeadLetter Of(int number, int bytes)
    {
        var payload = new byte[bytes];
        new Random(number).NextBytes(payload);
        return new DeadLetter(
            Table, At(number), 1, 1, ChangeKind.Insert, ["1"], payload, new DeadLetterFailure(ErrorClass.Data, "no", "23514"), DateTimeOffset.UnixEpoch);
    }
}
