using Rosetta.Core.Changes;
using Rosetta.Core.Errors;

namespace Rosetta.Store.DeadLetters;

/// <summary>Words as both stores write them.</summary>
static class DeadLetterText
{
    public static string Of(ChangeKind kind) => kind switch
    {
        ChangeKind.Insert => "INSERT",
        ChangeKind.Update => "UPDATE",
        ChangeKind.Delete => "DELETE",
        _ => throw new ArgumentOutOfRangeException(nameof(kind), kind, "Only changes of a row are parked."),
    };

    public static ChangeKind ReadKind(string text) => Enum.Parse<ChangeKind>(text, ignoreCase: true);

    public static string Of(ErrorClass errorClass) => errorClass.ToString().ToUpperInvariant();

    public static ErrorClass ReadClass(string text) => Enum.Parse<ErrorClass>(text, ignoreCase: true);
}
