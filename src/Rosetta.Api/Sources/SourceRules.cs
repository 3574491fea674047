using System.Text;
using System.Text.RegularExpressions;
using FluentValidation;
using Rosetta.Postgres.Wire;

namespace Rosetta.Api.Sources;

/// <summary>The rules of a source's fields, the same for POST and PUT.</summary>
static partial class SourceRules
{
    /// <summary>Bytes: suffixes are added, and PostgreSQL cuts identifiers at 63.</summary>
    const int NameLimit = 40;

    public static IRuleBuilderOptions<T, string?> IsName<T>(this IRuleBuilder<T, string?> rule) =>
        rule.Must(v => v is null || (v.Trim().Length > 0 && v.Length <= 200)).WithMessage("must have 1 to 200 characters");

    public static IRuleBuilderOptions<T, string?> IsFilled<T>(this IRuleBuilder<T, string?> rule) =>
        rule.Must(v => v is null || (v.Trim().Length > 0 && v.Length <= 1000)).WithMessage("must not be empty");

    public static IRuleBuilderOptions<T, int?> IsPort<T>(this IRuleBuilder<T, int?> rule) =>
        rule.Must(v => v is null or (>= 1 and <= 65535)).WithMessage("must be a port from 1 to 65535");

    public static IRuleBuilderOptions<T, string?> IsSslMode<T>(this IRuleBuilder<T, string?> rule) =>
        rule.Must(v => v is null || PgSslModes.TryParse(v, out _)).WithMessage($"must be one of {PgSslModes.Allowed}");

    public static IRuleBuilderOptions<T, string?> IsPublicationName<T>(this IRuleBuilder<T, string?> rule) =>
        rule.Must(v => v is null || (v.Length > 0 && Encoding.UTF8.GetByteCount(v) <= NameLimit)).WithMessage($"must have 1 to {NameLimit} bytes");

    public static IRuleBuilderOptions<T, string?> IsReplicationName<T>(this IRuleBuilder<T, string?> rule) =>
        rule.Must(v => v is null || SlotName().IsMatch(v))
            .WithMessage($"must have 1 to {NameLimit} of the characters a-z, 0-9 and _ : PostgreSQL allows no others in a slot's name");

    [GeneratedRegex(@"^[a-z0-9_]{1,40}\z")]
    private static partial Regex SlotName();
}

sealed class CreateSourceValidator : AbstractValidator<CreateSource>
{
    public CreateSourceValidator()
    {
        RuleFor(s => s.Name).IsName();
        RuleFor(s => s.PgHost).IsFilled();
        RuleFor(s => (int?)s.PgPort).IsPort().OverridePropertyName(nameof(CreateSource.PgPort));
        RuleFor(s => s.PgDatabase).IsFilled();
        RuleFor(s => s.PgUsername).IsFilled();
        RuleFor(s => s.PgSslMode).IsSslMode();
        RuleFor(s => s.PublicationName).IsPublicationName();
        RuleFor(s => s.ReplicationName).IsReplicationName();
    }
}

sealed class ChangeSourceValidator : AbstractValidator<ChangeSource>
{
    public ChangeSourceValidator()
    {
        RuleFor(s => s.Name).IsName();
        RuleFor(s => s.PgHost).IsFilled();
        RuleFor(s => s.PgPort).IsPort();
        RuleFor(s => s.PgDatabase).IsFilled();
        RuleFor(s => s.PgUsername).IsFilled();
        RuleFor(s => s.PgSslMode).IsSslMode();
        RuleFor(s => s.PublicationName).IsPublicationName();
        RuleFor(s => s.ReplicationName).IsReplicationName();
    }
}
