using System.Collections.Concurrent;
using System.Reflection;
using System.Text.Json;

namespace Rosetta.Api.Bodies;

/// <summary>The fields of a body record, from its constructor: name in snake_case, type, whether null or absence is allowed.</summary>
sealed record BodyShape(ConstructorInfo Constructor, IReadOnlyList<BodyField> Fields)
{
    static readonly ConcurrentDictionary<Type, BodyShape> Known = new();

    public static BodyShape Of(Type type) => Known.GetOrAdd(type, static type =>
    {
        var constructor = type.GetConstructors().Single();
        var nullability = new NullabilityInfoContext();
        return new BodyShape(
            constructor,
            [
                .. constructor.GetParameters().Select(p => new BodyField(
                    JsonNamingPolicy.SnakeCaseLower.ConvertName(p.Name!),
                    Nullable.GetUnderlyingType(p.ParameterType) ?? p.ParameterType,
                    p.HasDefaultValue,
                    p.HasDefaultValue ? p.DefaultValue : null,
                    nullability.Create(p).WriteState == NullabilityState.Nullable)),
            ]);
    });
}

/// <param name="IsOptional">May be absent; then <paramref name="Default"/> is taken.</param>
/// <param name="IsNullable">May be <c>null</c>.</param>
sealed record BodyField(string Name, Type Type, bool IsOptional, object? Default, bool IsNullable);
