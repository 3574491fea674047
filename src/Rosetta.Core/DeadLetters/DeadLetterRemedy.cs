using Rosetta.Core.Errors;

namespace Rosetta.Core.DeadLetters;

/// <summary>What an operator can do so that parked changes can be applied, by what they met (SQLSTATEs from PostgreSQL's appendix A).</summary>
public static class DeadLetterRemedy
{
    /// <param name="errorClass">Null: a change that waits behind another one.</param>
    public static string For(ErrorClass? errorClass, string? sqlState) => errorClass is null
        ? "None needed: it waits behind an earlier change of its row, or of its table, and comes back after it."
        : $"{Cause(errorClass.Value, sqlState)} It is tried again by itself until it has had its tries; then, or at once, by POST recover-dlq (rosetta dlq recover). It can be edited and retried, or discarded.";

    static string Cause(ErrorClass errorClass, string? sqlState) => sqlState switch
    {
        "23505" or "23P01" => "Another row at the destination has the same unique value: remove it there, or drop the constraint.",
        "23503" => "The row that a foreign key refers to is missing at the destination: replicate that table too, or drop the foreign key there.",
        "23502" => "A column at the destination forbids NULL: ALTER TABLE ... ALTER COLUMN ... DROP NOT NULL there.",
        "23514" => "A CHECK constraint at the destination forbids what the source allows: drop or change it there.",
        "44000" or "23000" => "A constraint at the destination forbids what the source allows: drop or change it there.",
        "22001" => "A column at the destination is too short: widen its type there.",
        "22003" => "A number does not fit its column at the destination: widen its type there.",
        "22P02" or "22007" or "22008" or "22P03" => "The type of a column at the destination does not take this value: change its type there; to an enum add the label that is missing.",
        "42501" => "A privilege is missing at the destination: grant it there.",
        "P0001" => "A trigger at the destination raised this error: change or disable it there.",
        _ => errorClass switch
        {
            ErrorClass.Transient => "The destination was busy or away.",
            ErrorClass.Table => "The table at the destination does not fit, or may not be written: mend it there.",
            _ => "Mend what refuses the row at the destination.",
        },
    };
}
