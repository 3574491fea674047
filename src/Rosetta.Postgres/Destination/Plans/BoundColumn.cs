using Rosetta.Core.Tables;
using Rosetta.Postgres.Destination.Targets;

namespace Rosetta.Postgres.Destination.Plans;

/// <summary>A column of the relation that has a column at the destination.</summary>
sealed class BoundColumn(int relationIndex, TargetColumn target, string? castFrom, bool isKey)
{
    /// <summary>Position in the relation's tuples.</summary>
    public int RelationIndex { get; } = relationIndex;

    public TargetColumn Target { get; } = target;

    public bool IsKey { get; } = isKey;

    public string Sql { get; } = SqlIdentifier.Quote(target.Name);

    /// <summary>The source sends this column as text: its type has no send function. Found out from the stream, then kept.</summary>
    public bool IsText { get; set; }

    /// <summary>It cannot be copied straight into the table but is staged in <see cref="StageTypeSql"/> and cast.</summary>
    public bool NeedsCast => IsText || castFrom is not null;

    public string StageTypeSql => IsText ? "text" : castFrom ?? Target.FullTypeSql;

    /// <summary>An expression over a staged or given value, as a value of the destination's column.</summary>
    public string Convert(string expression) => NeedsCast ? $"{expression}::{Target.TypeSql}" : expression;

    /// <summary>A parameter, as a value of the destination's column.</summary>
    /// <param name="number">From 1.</param>
    public string Parameter(int number) => !IsText && castFrom is not null ? $"${number}::{castFrom}::{Target.TypeSql}" : $"${number}";

    /// <summary>The same where nothing around it tells the server the parameter's type.</summary>
    public string TypedParameter(int number) =>
        !IsText && castFrom is not null ? $"${number}::{castFrom}::{Target.TypeSql}" : $"${number}::{Target.TypeSql}";
}
